// The server that is measured, and the model and rows it works on.
import { spawn, type ChildProcess } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Postgres } from './postgres.ts';
import { freePort, hasEnded, sleep, stop } from './process.ts';

const kPassword = 'bench-password';

export class Server {
  token = '';
  startMs = 0; // from exec until /healthz/ready answers 200
  private constructor(readonly child: ChildProcess, readonly port: number) {}

  static async start(binary: string, folder: string, postgres: Postgres): Promise<Server> {
    const port = await freePort();
    const logPath = join(folder, 'server.log');
    const log = openSync(logPath, 'a');
    const began = performance.now();
    const child = spawn(binary, ['serve'], {
      stdio: ['ignore', log, log],
      detached: true,
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        APP_HOST: '127.0.0.1',
        APP_PORT: String(port),
        APP_KEY: 'key-of-the-benchmark-key-of-the-benchmark',
        STORAGE_PATH: join(folder, 'storage'),
        INIT_ROOT_PASSWORD: kPassword,
        LOGGER_LEVEL: 'warn',
        DB_DIALECT: 'postgres',
        DB_HOST: '127.0.0.1',
        DB_PORT: String(postgres.port),
        DB_DATABASE: postgres.database,
        DB_USER: postgres.user,
        DB_PASSWORD: postgres.password,
        // Settings to try out are passed on: HALCYON_BENCH_DB_LANES=2 script/bench
        ...passedOn(),
      },
    });
    const server = new Server(child, port);
    for (;;) {
      const answer = await fetch(`${server.origin}/healthz/ready`).catch(() => undefined);
      if (answer?.ok) break;
      if (hasEnded(child) || performance.now() - began > 60_000) {
        await server.stop();
        throw new Error(`the server did not start: ${readFileSync(logPath, 'utf8').slice(-2000)}`);
      }
      await sleep(2);
    }
    server.startMs = performance.now() - began;
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  async signIn(): Promise<void> {
    const body = { account: 'nocobase', password: kPassword };
    const answer = await this.call('POST', 'auth:signIn', JSON.stringify(body));
    this.token = (JSON.parse(answer) as { data: { token: string } }).data.token;
  }

  async call(method: string, path: string, body?: string): Promise<string> {
    const headers: Record<string, string> = { 'X-Authenticator': 'basic' };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    const answer = await fetch(`${this.origin}/api/${path}`, { method, headers, body });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 500)}`);
    return text;
  }

  stop(): Promise<void> {
    return stop(this.child, 'SIGTERM');
  }
}

function passedOn(): Record<string, string> {
  const prefix = 'HALCYON_BENCH_';
  return Object.fromEntries(
    Object.entries(process.env)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value ?? '']),
  );
}

const field = (name: string, type: string, more: object = {}) => ({ name, type, ...more });

// Collections through the API, as users make them; rows by SQL, for speed.
export async function load(
  server: Server,
  postgres: Postgres,
  size: { orders: number; customers: number },
): Promise<void> {
  const collection = (name: string, fields: object[]) =>
    server.call('POST', 'collections:create', JSON.stringify({ name, title: name, fields }));
  await collection('customers', ['name', 'email', 'city'].map((name) => field(name, 'string')));
  await collection('orders', [
    field('no', 'string'),
    field('total', 'decimal', { precision: 12, scale: 2 }),
    field('status', 'string'),
    field('placedAt', 'date', { interface: 'datetime' }),
    field('customer', 'belongsTo', { target: 'customers', foreignKey: 'customerId' }),
  ]);
  await postgres.sql(`
    INSERT INTO customers (name, email, city)
      SELECT 'Customer ' || i, 'customer' || i || '@example.com', 'City ' || i % 50
      FROM generate_series(1, ${size.customers}) AS i;
    INSERT INTO orders (no, total, status, "placedAt", "customerId")
      SELECT 'N-' || (1000000 + i), (i::bigint * 7919 % 100000) / 100.0,
             (ARRAY['new', 'paid', 'sent', 'done'])[1 + i % 4],
             timestamptz '2024-01-01 00:00:00Z' + i * interval '5 minutes',
             1 + i::bigint * 31 % ${size.customers}
      FROM generate_series(1, ${size.orders}) AS i;
    VACUUM ANALYZE;
    CHECKPOINT;`);
}

// Rows that creating left behind would make each later count dearer.
export async function tidy(postgres: Postgres, orders: number): Promise<void> {
  await postgres.sql(
    `DELETE FROM orders WHERE id > ${orders}; VACUUM ANALYZE orders;
     DELETE FROM halcyon_requests; VACUUM ANALYZE halcyon_requests; CHECKPOINT;`,
  );
}
