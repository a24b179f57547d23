// The process behind crowd.ts.
import { Socket, type Subscription } from '../../lib/socket.ts';
import { clock, type Report } from './crowd.ts';

class Listener {
  seen = new Map<number, number>(); // write -> how often
  last = -1;
  disordered = 0;
  backSince = 0;
  socket!: Socket;
  subscription!: Subscription;
}

const listeners: Listener[] = [];
const latencies: number[] = [];
const caughtUp: number[] = [];
let messages = 0;
let opening = 0;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function open(url: string, token: string, collection: string): Promise<void> {
  const one = new Listener();
  // As NocoBase's client: comes back after a second; spread a little, as a crowd is.
  one.socket = await Socket.open(() => url, token, () => 200 + Math.random() * 1_000);
  one.subscription = await one.socket.subscribe({ collection, fields: ['n', 'at'] }, (changes, seq) => {
    const now = clock();
    messages++;
    if (seq <= one.last) one.disordered++;
    one.last = seq;
    for (const change of changes) {
      const { n, at } = change.record ?? {};
      if (typeof n !== 'number' || n === 0) continue;
      one.seen.set(n, (one.seen.get(n) ?? 0) + 1);
      (one.socket.backSince > at ? caughtUp : latencies).push(now - at);
    }
  });
  listeners.push(one);
}

async function openAll(url: string, token: string, sockets: number, collection: string): Promise<void> {
  const one = async () => {
    while (opening < sockets) {
      opening++;
      for (let tries = 1; ; tries++) {
        try {
          await open(url, token, collection);
          break;
        } catch (error) {
          if (tries === 5) throw error;
          await pause(200 * tries);
        }
      }
    }
  };
  await Promise.all(Array.from({ length: 40 }, one));
}

const told = (one: Listener, last: number) => {
  for (let n = last; n >= 1; n--) if (!one.seen.has(n)) return false;
  return true;
};

async function within(ms: number, check: (one: Listener) => boolean): Promise<boolean> {
  const end = clock() + ms;
  let left = [...listeners];
  while (left.length > 0) {
    left = left.filter((one) => !check(one));
    if (left.length > 0 && clock() > end) return false;
    await pause(20);
  }
  return true;
}

function report(last: number): Report {
  let missing = 0;
  let repeated = 0;
  for (const one of listeners) {
    for (let n = 1; n <= last; n++) {
      const times = one.seen.get(n) ?? 0;
      if (times === 0) missing++;
      else repeated += times - 1;
    }
  }
  const sum = (of: (one: Listener) => number) => listeners.reduce((total, one) => total + of(one), 0);
  return {
    sockets: listeners.length,
    messages,
    missing,
    repeated,
    disordered: sum((one) => one.disordered),
    resyncs: sum((one) => one.subscription.resyncs),
    breaks: sum((one) => one.socket.breaks),
    latencies,
    caughtUp,
    open: listeners.filter((one) => one.socket.ready).length,
  };
}

process.on('message', async (question: any) => {
  try {
    let value: unknown = true;
    if (question.ask === 'open') await openAll(question.url, question.token, question.sockets, question.collection);
    else if (question.ask === 'expect') value = await within(question.ms, (one) => told(one, question.last));
    else if (question.ask === 'allOpen') value = await within(question.ms, (one) => one.socket.ready);
    else value = report(question.last);
    process.send!({ value });
  } catch (error) {
    process.send!({ error: String(error) });
  }
});
process.on('disconnect', () => process.exit(0));
