// Many sockets in a process of their own: what each was told, when, and whether any of it is missing.
//
//   const crowd = await Crowd.start(run.scope, nginx.url, token, 2500);
//   await crowd.expect(20);                  // every socket has been told of 1..20
//   const report = await crowd.report();     // latencies, gaps, repeats, resyncs
//
// A write carries its number in the field `n` and the time it was sent in `at`.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Scope } from './scope.ts';

export interface Report {
  sockets: number;
  messages: number;
  missing: number; // (socket, write) pairs that were not told
  repeated: number; // told twice
  disordered: number; // places that went back
  resyncs: number;
  breaks: number;
  latencies: number[]; // ms from the write's request to the socket, of those told over a connection that stood
  caughtUp: number[]; // ms of the others: told after the socket came back
  open: number; // sockets that are subscribed now
}

export class Crowd {
  private constructor(private child: ChildProcess) {}

  static async start(scope: Scope, url: string, token: string, sockets: number, collection = 'events'): Promise<Crowd> {
    const file = fileURLToPath(new URL('./crowd-process.ts', import.meta.url));
    const child = fork(file, [], { execArgv: ['--import', 'tsx'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' });
    const crowd = new Crowd(child);
    scope.defer(async () => void child.kill('SIGKILL'));
    await crowd.ask({ ask: 'open', url, token, sockets, collection });
    return crowd;
  }

  private ask<T>(question: Record<string, unknown>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.child.once('exit', (code) => reject(new Error(`the sockets' process ended with ${code}`)));
      this.child.once('message', (answer: { error?: string; value?: T }) => {
        this.child.removeAllListeners('exit');
        if (answer.error) reject(new Error(answer.error));
        else resolve(answer.value as T);
      });
      this.child.send(question);
    });
  }

  /** Waits until every socket has been told of the writes 1 to `last`; false when it takes longer than `ms`. */
  expect(last: number, ms: number): Promise<boolean> {
    return this.ask({ ask: 'expect', last, ms });
  }
  /** Waits until every socket is open and subscribed. */
  allOpen(ms: number): Promise<boolean> {
    return this.ask({ ask: 'allOpen', ms });
  }
  report(last: number): Promise<Report> {
    return this.ask({ ask: 'report', last });
  }
}

/** A clock that all processes of this machine share, in ms. */
export const clock = () => performance.timeOrigin + performance.now();
