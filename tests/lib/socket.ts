// A client of /ws that does as docs/realtime.md tells clients to: signs in, subscribes, keeps the last place it was
// told of each subscription, and when the connection breaks comes back and goes on from there.
//
//   const socket = await Socket.open(() => server.url, token);
//   const sub = await socket.subscribe({ collection: 'notes' }, (changes, seq) => ...);
//   await sub.next();
import WebSocket from 'ws';

export interface Change {
  action: 'create' | 'update' | 'destroy' | 'leave';
  key: any;
  record?: Record<string, any>;
}
export interface Message {
  type: string;
  payload?: any;
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export class Subscription {
  seq = -1;
  resyncs = 0;
  error = '';
  open = false;
  constructor(
    readonly id: number,
    readonly query: Record<string, unknown>,
    readonly told: (changes: Change[], seq: number) => void,
  ) {}
}

export class Socket {
  breaks = 0;
  backSince = 0; // when the connection that stands was made, if it is not the first
  closed = false;
  code = 0; // of the last close
  readonly heard: Message[] = [];
  private ws!: WebSocket;
  private subscriptions = new Map<number, Subscription>();
  private count = 0;

  private constructor(
    private url: () => string,
    private token: string,
    private retry: () => number,
  ) {}

  /** `retry`: ms to wait before it comes back; without, a broken connection stays broken. */
  static async open(url: () => string, token: string, retry?: () => number): Promise<Socket> {
    const socket = new Socket(url, token, retry ?? (() => NaN));
    await socket.connect();
    return socket;
  }

  private connect(): Promise<void> {
    const ws = new WebSocket(`${this.url().replace('http', 'ws')}/ws`, { perMessageDeflate: false, handshakeTimeout: 10_000 });
    this.ws = ws;
    return new Promise((resolve, reject) => {
      ws.once('open', () => {
        if (this.breaks > 0) this.backSince = performance.timeOrigin + performance.now();
        this.say('auth:token', { token: this.token, authenticator: 'basic' });
        for (const one of this.subscriptions.values()) this.ask(one);
        resolve();
      });
      ws.on('message', (data) => this.hear(String(data)));
      ws.once('error', (error) => reject(error));
      ws.once('close', (code) => {
        this.code = code;
        this.breaks++;
        for (const one of this.subscriptions.values()) one.open = false;
        reject(new Error(`closed with ${code}`));
        void this.comeBack();
      });
    });
  }

  private async comeBack(): Promise<void> {
    const wait = this.retry();
    if (this.closed || Number.isNaN(wait)) return;
    await pause(wait);
    if (!this.closed) await this.connect().catch(() => undefined);
  }

  say(type: string, payload?: unknown): void {
    if (this.ws.readyState === WebSocket.OPEN) this.ws.send(JSON.stringify({ type, payload }));
  }

  private ask(one: Subscription): void {
    this.say('records:subscribe', { ...one.query, id: one.id, ...(one.seq >= 0 ? { after: one.seq } : {}) });
  }

  private hear(text: string): void {
    const message = JSON.parse(text) as Message;
    const one = this.subscriptions.get(message.payload?.id);
    if (message.type === 'records:position') {
      for (const each of this.subscriptions.values()) if (each.open) each.seq = Math.max(each.seq, message.payload.seq);
    } else if (one && message.type === 'records:changed') {
      one.seq = message.payload.seq;
      one.told(message.payload.changes, message.payload.seq);
    } else if (one && message.type === 'records:subscribed') {
      one.open = true;
      one.seq = message.payload.seq;
    } else if (one && (message.type === 'records:resync' || message.type === 'records:stale')) {
      one.resyncs++;
      one.seq = message.payload.seq;
    } else if (one && message.type === 'records:error') {
      one.error = message.payload.code;
    } else {
      this.heard.push(message);
    }
  }

  /** Resolves when it is subscribed, or refused (`error`). */
  async subscribe(query: Record<string, unknown>, told: (changes: Change[], seq: number) => void = () => {}): Promise<Subscription> {
    const one = new Subscription(++this.count, query, told);
    this.subscriptions.set(one.id, one);
    this.ask(one);
    for (const end = Date.now() + 30_000; !one.open && one.error === ''; ) {
      if (Date.now() > end) throw new Error('not subscribed within 30 s');
      await pause(2);
    }
    return one;
  }

  get ready(): boolean {
    return this.ws.readyState === WebSocket.OPEN && [...this.subscriptions.values()].every((one) => one.open);
  }
  /** As a network that fails has it. */
  cut(): void {
    this.ws.terminate();
  }
  close(): void {
    this.closed = true;
    this.ws.close();
  }
}
