// What every client asked and was answered, with times, and the figures drawn from it.
import { Agent, request as httpRequest } from 'node:http';
import { Agent as TlsAgent, request as httpsRequest } from 'node:https';

export interface Answer {
  status: number; // 0: no answer (connection error)
  body: any;
  error: string;
  retryAfter?: string; // the header
  sent: number; // ms, performance.now()
  done: number;
}

export interface Entry {
  client: string;
  what: string; // e.g. "create records"
  key: string; // its Idempotency-Key, or empty
  sent: number;
  done: number;
  status: number;
  error: string;
  retryAfter?: string;
}

export class History {
  readonly entries: Entry[] = [];
  readonly wrong: string[] = []; // answers that contradict what was acknowledged before
  readonly started = performance.now();

  add(client: string, what: string, key: string, answer: Answer): void {
    const text = answer.error || (answer.status >= 200 && answer.status < 300 ? '' : JSON.stringify(answer.body)?.slice(0, 300) ?? '');
    this.entries.push({ client, what, key, sent: answer.sent, done: answer.done, status: answer.status, error: text, retryAfter: answer.retryAfter });
  }
  contradiction(text: string): void {
    this.wrong.push(`${Math.round(performance.now() - this.started)} ms: ${text}`);
  }
  get failures(): Entry[] {
    return this.entries.filter((one) => !succeeded(one.status));
  }

  /** Answered with 503 and the advice to come again. */
  refused(which: (entry: Entry) => boolean): number {
    return this.entries.filter((one) => isRefusal(one) && which(one)).length;
  }

  figures(): { requests: number; failed: number; p50: number; p99: number; longest: number; stall: number; perSecond: number } {
    const took = this.entries.map((one) => one.done - one.sent).sort((a, b) => a - b);
    const at = (share: number) => round(took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? 0);
    const seconds = took.length > 0 ? (Math.max(...this.ends()) - Math.min(...this.entries.map((one) => one.sent))) / 1000 : 0;
    return {
      requests: this.entries.length,
      failed: this.failures.length,
      p50: at(0.5),
      p99: at(0.99),
      longest: round(took[took.length - 1] ?? 0),
      stall: round(this.longestStall()),
      perSecond: seconds > 0 ? Math.round(this.entries.length / seconds) : 0,
    };
  }

  /** The longest time in which no request of any client succeeded. */
  longestStall(): number {
    const times = this.entries.filter((one) => succeeded(one.status)).map((one) => one.done);
    times.sort((a, b) => a - b);
    let longest = 0;
    for (let i = 1; i < times.length; i++) longest = Math.max(longest, times[i] - times[i - 1]);
    return longest;
  }

  /** From `when` (performance.now()) to the first success of a write that ended after it; NaN: none. */
  recovery(when: number): number {
    const after = this.entries.filter((one) => one.done >= when && succeeded(one.status) && isWrite(one.what)).map((one) => one.done);
    return after.length > 0 ? round(Math.min(...after) - when) : NaN;
  }

  /** The first failures and contradictions, for people. */
  explain(most = 10, refusals = true): string {
    const lines = this.failures
      .filter((one) => refusals || !isRefusal(one))
      .slice(0, most)
      .map((one) => `  failed: ${Math.round(one.sent - this.started)}+${Math.round(one.done - one.sent)} ms ${one.client} ${one.what} -> ${one.status} ${one.error}`);
    return [...lines, ...this.wrong.slice(0, most).map((one) => `  wrong: ${one}`)].join('\n');
  }

  private ends(): number[] {
    return this.entries.length < 100_000 ? this.entries.map((one) => one.done) : [this.entries[this.entries.length - 1].done];
  }
}

const isRefusal = (one: Entry) => one.status === 503 && one.retryAfter !== undefined;
export const succeeded = (status: number) => status >= 200 && status < 300;
const isWrite = (what: string) => !/^(get|list|model)/.test(what);
const round = (ms: number) => Math.round(ms * 10) / 10;

/** One client with one keep-alive connection and no retries of its own. */
export class Client {
  private agent: Agent;
  constructor(
    readonly name: string,
    readonly base: () => string,
    readonly token: string,
    private history?: History,
    private timeout = 60_000,
  ) {
    const options = { keepAlive: true, maxSockets: 1 };
    this.agent = base().startsWith('https:') ? new TlsAgent(options) : new Agent(options);
  }

  /** `path` below /api/, e.g. "notes:create". `key`: an Idempotency-Key. */
  async call(what: string, method: string, path: string, body?: unknown, key = ''): Promise<Answer> {
    const answer = await this.send(method, path, body, key);
    this.history?.add(this.name, what, key, answer);
    return answer;
  }

  private send(method: string, path: string, body: unknown, key: string): Promise<Answer> {
    const sent = performance.now();
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers: Record<string, string> = { Authorization: `Bearer ${this.token}` };
    if (text !== undefined) Object.assign(headers, { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(text)) });
    if (key) headers['Idempotency-Key'] = key;
    return new Promise((resolve) => {
      const fail = (error: Error) => resolve({ status: 0, body: null, error: String(error), sent, done: performance.now() });
      const send = this.base().startsWith('https:') ? httpsRequest : httpRequest;
      const request = send(`${this.base()}/api/${path}`, { method, headers, agent: this.agent, timeout: this.timeout }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', fail);
        response.on('aborted', () => fail(new Error('answer cut off')));
        response.on('end', () => {
          const raw = Buffer.concat(chunks).toString();
          let parsed: any = raw;
          let error = '';
          try {
            parsed = raw === '' ? null : JSON.parse(raw);
          } catch {
            error = succeeded(response.statusCode!) ? `not JSON: ${raw.slice(0, 200)}` : '';
          }
          resolve({ status: error ? 0 : response.statusCode!, body: parsed, error, retryAfter: response.headers['retry-after'], sent, done: performance.now() });
        });
      });
      request.on('timeout', () => request.destroy(new Error(`no answer in ${this.timeout} ms`)));
      request.on('error', fail);
      request.end(text);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}

/** Signs in and gives a token, valid on every replica. */
export async function signIn(url: string, account = 'nocobase', password = 'admin123'): Promise<string> {
  const answer = await fetch(`${url}/api/auth:signIn`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Authenticator': 'basic' },
    body: JSON.stringify({ account, password }),
    signal: AbortSignal.timeout(30_000),
  });
  if (answer.status !== 200) throw new Error(`sign-in: ${answer.status} ${await answer.text()}`);
  return ((await answer.json()) as any).data.token;
}
