// Plain HTTP clients that keep their connections and heed "Connection: close", as any client does.
//
//   const load = new Load(server.url, 8);      // 8 clients, until stop()
//   ...
//   const { answered, failed } = await load.stop();
import { Agent, request } from 'node:http';

export interface Failure {
  what: string;
  reused: boolean; // on a connection that had been used before
  at: number;
}

export interface Answer {
  status: number;
  body: string;
  closes: boolean;
}

export function ask(url: string, agent: Agent, options: { method?: string; body?: string; token?: string } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, string> = options.body ? { 'Content-Type': 'application/json' } : {};
    if (options.token) headers.Authorization = `Bearer ${options.token}`;
    const asked = request(url, { agent, method: options.method ?? 'GET', headers, timeout: 20_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode!, body, closes: response.headers.connection === 'close' }));
      response.on('error', reject);
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer in 20 s')));
    asked.on('error', (error) => reject(Object.assign(error, { reused: asked.reusedSocket })));
    asked.end(options.body);
  });
}

export class Load {
  answered = 0;
  readonly failed: Failure[] = [];
  private stopped = false;
  private readonly agent: Agent;
  private readonly clients: Promise<void>[];

  /** `leave`: clients told to go away ask no more here, as behind a balancer. */
  constructor(
    readonly url: string,
    clients: number,
    private readonly work: (agent: Agent, n: number) => Promise<Answer>,
    private readonly leave = false,
  ) {
    this.agent = new Agent({ keepAlive: true, maxSockets: clients });
    this.clients = Array.from({ length: clients }, () => this.run());
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      try {
        const answer = await this.work(this.agent, this.answered + this.failed.length);
        if (answer.status >= 200 && answer.status < 300) this.answered++;
        else this.failed.push({ what: `${answer.status} ${answer.body.slice(0, 200)}`, reused: false, at: Date.now() });
        if (answer.closes && this.leave) return;
      } catch (error) {
        const { message, reused } = error as Error & { reused?: boolean };
        this.failed.push({ what: message, reused: reused ?? false, at: Date.now() });
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  /** Resolves when `count` more requests were answered. */
  async more(count: number, ms = 30_000): Promise<void> {
    const goal = this.answered + count;
    const until = Date.now() + ms;
    while (this.answered < goal) {
      if (Date.now() > until) throw new Error(`only ${this.answered} of ${goal} requests were answered: ${JSON.stringify(this.failed.slice(0, 3))}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async finished(): Promise<void> {
    await Promise.all(this.clients);
    this.agent.destroy();
  }

  async stop(): Promise<{ answered: number; failed: Failure[] }> {
    this.stopped = true;
    await this.finished();
    return { answered: this.answered, failed: this.failed };
  }
}
