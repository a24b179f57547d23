// One Halcyon process (or supervisor) on a port that stays its own over restarts.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { type Database } from './databases.ts';
import { freePort, type Managed, type Scope, Stopped, until } from './scope.ts';

export const binary = process.env.HALCYON_BINARY ?? fileURLToPath(new URL('../../../build/dev/halcyon', import.meta.url));

/** The program without the last release's migrations (tests/previous). */
export const previous = `${binary}-previous`;

const secret = 'the same secret on every replica';
let count = 0;

export interface ReplicaOptions {
  env?: Record<string, string>;
  binary?: string;
  host?: string; // address it listens on
  prefix?: string[]; // e.g. in a network namespace
  name?: string;
}

export class Replica {
  process!: Managed;
  binary: string;
  private constructor(
    private scope: Scope,
    readonly name: string,
    readonly host: string,
    readonly port: number,
    readonly adminPort: number,
    readonly env: Record<string, string>,
    private prefix: string[],
    file: string,
  ) {
    this.binary = file;
  }

  /** A replica that is not started yet. */
  static async make(scope: Scope, database: Database, options: ReplicaOptions = {}): Promise<Replica> {
    const file = options.binary ?? binary;
    if (!existsSync(file)) throw new Error(`${file} is not built; set HALCYON_BINARY`);
    const name = options.name ?? `replica${++count}`;
    const host = options.host ?? '127.0.0.1';
    const port = await freePort();
    const adminPort = await freePort();
    const env = {
      APP_HOST: host,
      APP_PORT: String(port),
      ADMIN_HOST: host,
      ADMIN_PORT: String(adminPort),
      APP_KEY: secret,
      STORAGE_PATH: join(scope.makeFolder(name), 'storage'),
      IO_THREADS: '1',
      DB_POOL_MAX: '6',
      LOGGER_LEVEL: 'info',
      ...database.settings,
      ...options.env,
    };
    return new Replica(scope, name, host, port, adminPort, env, options.prefix ?? [], file);
  }

  static async start(scope: Scope, database: Database, options: ReplicaOptions = {}): Promise<Replica> {
    const replica = await Replica.make(scope, database, options);
    replica.launch();
    await replica.ready();
    return replica;
  }

  get url(): string {
    return `http://${this.host}:${this.port}`;
  }
  get address(): string {
    return `${this.host}:${this.port}`;
  }

  launch(): void {
    this.process = this.scope.run(this.name, this.binary, ['serve'], { env: this.env, prefix: this.prefix });
  }

  async probe(path: string, ms = 1_000): Promise<number> {
    try {
      const answer = await fetch(this.url + path, { signal: AbortSignal.timeout(ms) });
      await answer.arrayBuffer();
      return answer.status;
    } catch {
      return 0;
    }
  }
  isReady(): Promise<boolean> {
    return this.probe('/healthz/ready').then((status) => status === 200);
  }
  async ready(ms = 60_000): Promise<void> {
    await until(`${this.name} ready`, ms, async () => {
      if (this.process.ended) throw new Stopped(`${this.name} ended with ${await this.process.exited}: ${this.process.log.slice(-3000)}`);
      return this.isReady();
    }, 20);
  }

  async kill(): Promise<void> {
    this.process.signal('SIGKILL');
    await this.process.exited;
  }
  /** SIGTERM and wait; the exit code must be 0. */
  async drain(ms = 60_000): Promise<void> {
    const how = await this.process.stop('SIGTERM', ms);
    if (how !== 0) throw new Error(`${this.name} ended with ${how} on SIGTERM: ${this.process.log.slice(-2000)}`);
  }
  async restart(): Promise<void> {
    this.launch();
    await this.ready();
  }
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`http://${this.host}:${this.adminPort}/metrics`, { signal: AbortSignal.timeout(2_000) })).text();
    return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
  }
}

/** Starts them all at once and waits until all are ready. */
export async function startAll(replicas: Replica[], ms = 120_000): Promise<void> {
  for (const one of replicas) one.launch();
  await Promise.all(replicas.map((one) => one.ready(ms)));
}
