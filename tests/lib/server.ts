// Starts the server under test on a fresh database, and stops it again.
//
//   const server = await Server.start('postgres');
//   ... server.url ...
//   await server.stop();
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type Dialect = 'sqlite' | 'postgres' | 'mariadb';

/** The dialects with a server (script/test-databases sets the variables); SQLite always. */
export function dialects(): Dialect[] {
  const list: Dialect[] = ['sqlite'];
  for (const name of ['postgres', 'mariadb'] as const) {
    if (process.env[`TEST_${name.toUpperCase()}_HOST`]) list.push(name);
    else if (process.env.TEST_REQUIRE_ALL === '1') throw new Error(`no server for ${name}; see script/test-databases`);
  }
  return list;
}

export const binary = process.env.HALCYON_BINARY ?? fileURLToPath(new URL('../../build/dev/halcyon', import.meta.url));
/** The program without the last release's migrations (tests/previous). */
export const previous = `${binary}-previous`;
let databases = 0;

// A test that fails leaves no server behind.
const running = new Set<ChildProcess>();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export function databaseEnvironment(dialect: Dialect): Record<string, string> {
  if (dialect === 'sqlite') return { DB_DIALECT: 'sqlite' };
  const prefix = `TEST_${dialect.toUpperCase()}_`;
  const host = process.env[`${prefix}HOST`]!;
  const port = process.env[`${prefix}PORT`]!;
  const user = process.env[`${prefix}USER`]!;
  const password = process.env[`${prefix}PASSWORD`] ?? '';
  const database = `halcyon_sdk_${process.pid}_${databases++}`;
  if (dialect === 'postgres') {
    execFileSync('psql', ['-q', '-h', host, '-p', port, '-U', user, '-d', 'postgres', '-c', `CREATE DATABASE ${database}`], {
      env: { ...process.env, PGPASSWORD: password },
    });
  } else {
    execFileSync('mariadb', ['-h', host, '-P', port, '-u', user, '--protocol=tcp', '-e', `CREATE DATABASE ${database}`], {
      env: { ...process.env, MYSQL_PWD: password },
    });
  }
  return { DB_DIALECT: dialect, DB_HOST: host, DB_PORT: port, DB_USER: user, DB_PASSWORD: password, DB_DATABASE: database };
}

export class Server {
  url = '';
  output = '';
  program = binary;
  private process!: ChildProcess;
  private exited!: Promise<number | null>;

  private constructor(
    readonly folder: string,
    readonly environment: Record<string, string>,
  ) {}

  static async start(dialect: Dialect, settings: Record<string, string> = {}, program = binary): Promise<Server> {
    const server = Server.prepare(dialect, settings, program);
    await server.launch();
    return server;
  }

  /** One that is not started yet. The database is new unless the settings name one. */
  static prepare(dialect: Dialect, settings: Record<string, string> = {}, program = binary): Server {
    const folder = mkdtempSync(join(tmpdir(), 'halcyon-test-'));
    const server = new Server(folder, {
      PATH: process.env.PATH ?? '',
      APP_HOST: '127.0.0.1',
      APP_PORT: '0',
      STORAGE_PATH: join(folder, 'storage'),
      LOGGER_LEVEL: 'info',
      SHUTDOWN_IDLE: '100ms', // the SDK keeps connections open that it uses no more
      ...(settings.DB_DATABASE ? {} : databaseEnvironment(dialect)),
      ...settings,
    });
    server.program = program;
    return server;
  }

  /** Another process on the same database, not started yet. */
  twin(program = this.program): Server {
    const twin = new Server(this.folder, this.environment);
    twin.program = program;
    return twin;
  }

  /** Starts the process and waits for its "listening" line, which names the port. */
  async launch(): Promise<void> {
    this.output = '';
    this.process = spawn(this.program, ['serve'], { cwd: this.folder, env: this.environment, stdio: ['ignore', 'pipe', 'pipe'] });
    const child = this.process;
    running.add(child);
    this.exited = new Promise((resolve) =>
      child.once('exit', (code) => {
        running.delete(child);
        resolve(code);
      }),
    );
    const port = await new Promise<number>((resolve, reject) => {
      const read = (chunk: Buffer) => {
        this.output += chunk.toString();
        const found = /"message":"listening".*?"port":(\d+)/.exec(this.output);
        if (found) resolve(Number(found[1]));
      };
      this.process.stdout!.on('data', read);
      this.process.stderr!.on('data', read);
      // When all it said is here.
      child.once('close', (code) => reject(new Error(`the server ended with ${code}: ${this.output}`)));
    });
    this.url = `http://127.0.0.1:${port}`;
  }

  get pid(): number {
    return this.process.pid!;
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  get ended(): Promise<number | null> {
    return this.exited;
  }

  /** Lines of the log with this message, oldest first. */
  log(message: string): Record<string, any>[] {
    return this.output
      .split('\n')
      .filter((line) => line.includes(`"message":"${message}"`) && line.endsWith('}'))
      .map((line) => JSON.parse(line));
  }

  /** Ends the process; resolves with its exit code (null after SIGKILL). */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.process.kill(signal);
    return this.exited;
  }

  async stop(): Promise<void> {
    const code = await this.end();
    rmSync(this.folder, { recursive: true, force: true });
    if (code !== 0) throw new Error(`the server ended with ${code}: ${this.output.slice(-2000)}`);
  }
}

export function run(args: string[], environment: Record<string, string>, cwd: string, program = binary): { code: number; output: string } {
  try {
    const output = execFileSync(program, args, { cwd, env: { PATH: process.env.PATH ?? '', ...environment }, stdio: 'pipe', timeout: 60_000 });
    return { code: 0, output: output.toString() };
  } catch (error) {
    const failed = error as { status: number; stdout: Buffer; stderr: Buffer };
    return { code: failed.status, output: failed.stdout.toString() + failed.stderr.toString() };
  }
}
