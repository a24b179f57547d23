// A scenario of the cluster tests: its seed, its time limit, its clean-up and its line of figures.
//
//   scenario('replicas killed under load', { limit: 120 }, async (run) => {
//     const database = await Postgres.start(run.scope);
//     ...
//     run.figures({ kills });       // printed, and written to CLUSTER_REPORT as a line of JSON
//   });
//
// CLUSTER_LONG=1 asks for the long form, CLUSTER_SEED=n repeats the choices of an earlier run,
// CLUSTER_KEEP=1 keeps logs and data.
import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { it } from 'node:test';
import { type Database } from './databases.ts';
import { Random } from './random.ts';
import { Scope } from './scope.ts';
import { type Replica } from './replica.ts';
import { type Workload } from './workload.ts';

export const long = process.env.CLUSTER_LONG === '1';

export class Run {
  readonly scope: Scope;
  readonly random: Random;
  readonly notes: Record<string, unknown> = {};
  constructor(readonly title: string) {
    this.scope = new Scope('cluster');
    this.random = new Random(Number(process.env.CLUSTER_SEED ?? Math.floor(Math.random() * 1e9)));
  }

  figures(figures: Record<string, unknown>): void {
    const words = Object.entries(figures).map(([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : value}`);
    console.log(`${this.title}: ${words.join(' ')} seed=${this.random.seed}`);
    if (process.env.CLUSTER_REPORT) {
      const line = { scenario: this.title, form: long ? 'long' : 'short', seed: this.random.seed, ...figures };
      appendFileSync(process.env.CLUSTER_REPORT, `${JSON.stringify(line)}\n`);
    }
  }

  /**
   * Ends the load, compares it with the database, prints the figures and expects nothing failed, lost, twice or wrong.
   * With `mayRefuse` a request may also be answered with 503 and Retry-After.
   */
  async conclude(load: Workload, database: Database, replicas: Replica[], more: Record<string, unknown> = {}, mayRefuse = false): Promise<void> {
    await load.stop();
    const verdict = await load.verify(database, replicas.map((one) => () => one.url));
    const { lost, twice, wrong } = verdict;
    const { failed: unanswered, ...figures } = load.history.figures();
    const refused = mayRefuse ? load.history.refused(() => true) : 0;
    const failed = unanswered - refused;
    this.figures({ failed, lost, twice, wrong, ...(mayRefuse ? { refused } : {}), ...figures, ...more });
    const why = [load.history.explain(10, !mayRefuse), ...verdict.details].filter((text) => text !== '').join('\n');
    assert.deepEqual({ failed, lost, twice, wrong }, { failed: 0, lost: 0, twice: 0, wrong: 0 }, `${this.title}\n${why}`);
    assert.ok(figures.requests > 100, `only ${figures.requests} requests`);
  }
}

export interface ScenarioOptions {
  limit: number; // seconds, of the short form; the long form has ten times as many
  missing?: () => Promise<string | undefined>; // why this machine cannot run it
}

export function scenario(title: string, options: ScenarioOptions, body: (run: Run) => Promise<void>): void {
  const limit = options.limit * (long ? 10 : 1) * 1000;
  it(title, { timeout: limit + 30_000 }, async (test) => {
    const missing = await options.missing?.();
    if (missing) {
      console.log(`${title}: skipped, ${missing}`);
      return test.skip(missing);
    }
    const run = new Run(title);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${title}: not done in ${limit} ms, seed ${run.random.seed}`)), limit);
    });
    try {
      await Promise.race([body(run), late]);
    } catch (error) {
      console.log(`${title} failed, seed ${run.random.seed}`);
      throw error;
    } finally {
      clearTimeout(timer);
      await run.scope.close();
    }
  });
}
