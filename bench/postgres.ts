// A throw-away PostgreSQL with its default durability (or none), and the log of what it was asked.
// script/test-databases is not used: its servers have durability off, which a create must pay for.
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandOutput, freePort, hasEnded, run, sleep, stop } from './process.ts';

const kFolders = ['/usr/lib/postgresql/15/bin', '/usr/bin', '/usr/local/bin'];

export function program(name: string): string {
  const folder = kFolders.find((candidate) => existsSync(join(candidate, name)));
  if (!folder) throw new Error(`${name} is not installed (script/install --bench)`);
  return join(folder, name);
}

export interface Statement {
  sql: string;
  values: (string | null)[]; // of $1, $2, ...
}

export class Postgres {
  readonly user = 'halcyon_bench';
  readonly password = randomBytes(18).toString('hex');
  readonly database = 'postgres';
  port = 0;
  private child!: ChildProcess;
  private log: string;

  private constructor(private readonly folder: string, readonly fsync: boolean, private readonly more: string[]) {
    this.log = join(folder, 'postgres.log');
  }

  static async start(folder: string, fsync: boolean, more: string[] = []): Promise<Postgres> {
    const server = new Postgres(folder, fsync, more);
    await server.create();
    await server.listen();
    return server;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get environment(): Record<string, string> {
    return {
      PGHOST: '127.0.0.1',
      PGPORT: String(this.port),
      PGUSER: this.user,
      PGPASSWORD: this.password,
      PGDATABASE: this.database,
    };
  }

  sql(text: string): Promise<string> {
    const args = ['-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', '-'];
    return run(program('psql'), args, { env: this.environment, input: text });
  }

  // The statements that the server gets while `work` runs, without settings of connections.
  async captured(work: () => Promise<void>): Promise<Statement[]> {
    const start = statSync(this.log).size;
    await work();
    await sleep(100);
    return statements(readFileSync(this.log).subarray(start).toString('utf8'));
  }

  // Logging is for captures only: it costs much.
  async logStatements(on: boolean): Promise<void> {
    await this.sql(`ALTER SYSTEM SET log_statement = '${on ? 'all' : 'none'}';`);
    await this.sql('SELECT pg_reload_conf();');
    await sleep(300);
  }

  stop(): Promise<void> {
    return stop(this.child, 'SIGINT');
  }

  // The server refuses to run as root, so root lends it the package's user.
  private asOwner(command: string, args: string[]): [string, string[]] {
    if (process.getuid?.() !== 0) return [command, args];
    const user = commandOutput('id', ['-u', 'postgres']) ? 'postgres' : 'nobody';
    const uid = Number(commandOutput('id', ['-u', user]));
    const gid = Number(commandOutput('id', ['-g', user]));
    chownSync(join(this.folder, 'pg'), uid, gid);
    return [
      'setpriv',
      [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--', command, ...args],
    ];
  }

  private async create(): Promise<void> {
    chmodSync(this.folder, 0o711);
    mkdirSync(join(this.folder, 'pg'), { mode: 0o700 });
    const secret = join(this.folder, 'password');
    writeFileSync(secret, this.password, { mode: 0o644 });
    const [command, args] = this.asOwner(program('initdb'), [
      '-D', join(this.folder, 'pg/data'), '-U', this.user, `--pwfile=${secret}`,
      '-A', 'scram-sha-256', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync',
    ]);
    await run(command, args, { cwd: this.folder });
  }

  private async listen(): Promise<void> {
    this.port = await freePort();
    const settings = [
      'listen_addresses=127.0.0.1', 'max_connections=200', 'shared_buffers=256MB',
      `fsync=${this.fsync ? 'on' : 'off'}`, 'log_line_prefix=', 'autovacuum=off', ...this.more,
    ];
    const [command, args] = this.asOwner(program('postgres'), [
      '-D', join(this.folder, 'pg/data'), '-k', join(this.folder, 'pg'), '-p', String(this.port),
      ...settings.flatMap((setting) => ['-c', setting]),
    ]);
    const log = openSync(this.log, 'a');
    // A group of its own: ^C must reach it through us, in order.
    this.child = spawn(command, args, { cwd: this.folder, stdio: ['ignore', log, log], detached: true });
    for (let i = 0; i < 300; ++i) {
      if (hasEnded(this.child)) break;
      if (await this.sql('SELECT 1').then(() => true, () => false)) return;
      await sleep(100);
    }
    throw new Error(`PostgreSQL did not start: ${readFileSync(this.log, 'utf8').slice(-2000)}`);
  }
}

// Reads a log of log_statement = all with an empty prefix, of statements of the extended protocol.
export function statements(log: string): Statement[] {
  const found: Statement[] = [];
  for (const line of log.split('\n')) {
    const execute = /^LOG:  execute [^:]*: (.*)$/.exec(line);
    if (execute?.[1]) found.push({ sql: execute[1], values: [] });
    const detail = /^DETAIL:  parameters: (.*)$/.exec(line);
    const last = found[found.length - 1];
    if (!detail?.[1] || !last) continue;
    for (const value of detail[1].matchAll(/\$\d+ = (NULL|'((?:[^']|'')*)')/g)) {
      last.values.push(value[1] === 'NULL' ? null : (value[2] ?? '').replaceAll("''", "'"));
    }
  }
  return found.filter(({ sql }) => !/^SET /i.test(sql));
}
