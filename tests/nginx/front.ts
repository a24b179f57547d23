// nginx, run with what `halcyon nginx-conf` writes.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, type Server } from '../lib/server.ts';
import { freePort, until } from '../process/wait.ts';

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  text: string;
}
export interface Asking {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  from?: string; // the client's own address, of 127.0.0.0/8
}

const running = new Set<ChildProcess>();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export class Front {
  private constructor(
    readonly folder: string,
    readonly port: number,
    readonly plainPort: number,
    private process: ChildProcess,
  ) {}

  /** With TLS on one port and the way to it on another. */
  static async start(replicas: Server[], options: string[] = []): Promise<Front> {
    const folder = mkdtempSync(join(tmpdir(), 'halcyon-nginx-'));
    const [port, plainPort] = [await freePort(), await freePort()];
    const config = join(folder, 'nginx.conf');
    const upstreams = replicas.flatMap((one) => ['--upstream', one.url.replace('http://', '')]);
    const made = run(
      ['nginx-conf', '--prefix', folder, '-o', config, '--self-signed', join(folder, 'tls'), '--listen', `127.0.0.1:${port}`, '--redirect', `127.0.0.1:${plainPort}`, ...upstreams, ...options],
      {},
      folder,
    );
    assert.equal(made.code, 0, made.output);
    const child = spawn('nginx', ['-p', folder, '-c', config, '-e', join(folder, 'start.log')], { stdio: 'ignore' });
    running.add(child);
    child.once('exit', () => running.delete(child));
    const front = new Front(folder, port, plainPort, child);
    await until('nginx listens', 10_000, async () => {
      assert.equal(child.exitCode, null, front.errors);
      return front.ask('/', {}).then(
        () => true,
        () => false,
      );
    });
    return front;
  }

  get errors(): string {
    return ['start.log', 'logs/error.log'].map((name) => join(this.folder, name)).map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : '')).join('');
  }

  /** By HTTP/1.1 over TLS, on a connection of its own. */
  ask(path: string, { method = 'GET', headers = {}, body, from }: Asking = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = https.request(
        { host: '127.0.0.1', port: this.port, path, method, headers, localAddress: from, rejectUnauthorized: false, agent: false, timeout: 60_000 },
        (response) => collect(response, resolve, reject),
      );
      request.once('timeout', () => request.destroy(new Error(`${method} ${path}: no answer`)));
      request.once('error', reject);
      request.end(body);
    });
  }

  askPlainly(path: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      http.get({ host: '127.0.0.1', port: this.plainPort, path, agent: false }, (response) => collect(response, resolve, reject)).once('error', reject);
    });
  }

  /** Several requests at once on one HTTP/2 connection. */
  async askTogether(paths: string[], headers: Record<string, string> = {}): Promise<Answer[]> {
    const session = http2.connect(`https://127.0.0.1:${this.port}`, { rejectUnauthorized: false });
    try {
      const broken = new Promise<never>((_, reject) => session.once('error', reject));
      const answers = Promise.all(
        paths.map(
          (path) =>
            new Promise<Answer>((resolve, reject) => {
              const stream = session.request({ ':path': path, ...headers });
              const chunks: Buffer[] = [];
              let answered: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {};
              stream.on('response', (got) => (answered = got));
              stream.on('data', (chunk: Buffer) => chunks.push(chunk));
              stream.once('end', () => {
                const body = Buffer.concat(chunks);
                resolve({ status: Number(answered[':status']), headers: answered as Answer['headers'], body, text: body.toString() });
              });
              stream.once('error', reject);
              stream.end();
            }),
        ),
      );
      return await Promise.race([answers, broken]);
    } finally {
      session.close();
    }
  }

  /** Asks for a WebSocket; the answer's status line. */
  upgrade(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const request = https.request({
        host: '127.0.0.1',
        port: this.port,
        path,
        rejectUnauthorized: false,
        agent: false,
        headers: { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': Buffer.alloc(16, 7).toString('base64') },
      });
      request.once('upgrade', (response, socket) => {
        socket.destroy();
        resolve(`${response.statusCode} ${response.headers['sec-websocket-accept']}`);
      });
      request.once('response', (response) => {
        response.resume();
        resolve(String(response.statusCode));
      });
      request.once('error', reject);
      request.end();
    });
  }

  /** Lines of the access log that fit; it is written once a second. */
  async log(fits: (line: Record<string, any>) => boolean, count = 1): Promise<Record<string, any>[]> {
    let lines: Record<string, any>[] = [];
    await until('the line in the access log', 10_000, () => {
      const file = join(this.folder, 'logs', 'access.log');
      const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
      lines = text.split('\n').slice(0, -1).map((line) => JSON.parse(line)).filter(fits);
      return lines.length >= count;
    });
    return lines;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill('SIGTERM');
    await ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function collect(response: http.IncomingMessage, resolve: (answer: Answer) => void, reject: (error: Error) => void): void {
  const chunks: Buffer[] = [];
  response.on('data', (chunk: Buffer) => chunks.push(chunk));
  response.once('error', reject);
  response.once('end', () => {
    const body = Buffer.concat(chunks);
    resolve({ status: response.statusCode!, headers: response.headers, body, text: body.toString() });
  });
}
