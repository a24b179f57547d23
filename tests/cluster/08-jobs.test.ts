// Scenario 8 (promise P6): ten thousand jobs and a schedule each second, while workers die by SIGKILL or sleep past their
// leases. All jobs are done, their effects in the database exactly once, and each fire time makes one job.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type Database, MariaDb, Postgres } from './lib/databases.ts';
import { binary } from './lib/replica.ts';
import { long, type Run, scenario } from './lib/scenario.ts';
import { command, type Managed, pause, type Scope, until } from './lib/scope.ts';

type Settings = Pick<Database, 'settings'>;

/** The program of tests/jobs, and `halcyon`, on one database. */
class Members {
  readonly workers: Managed[] = [];
  private env: Record<string, string>;
  constructor(
    private scope: Scope,
    database: Settings,
  ) {
    this.env = { APP_KEY: 'a key of the test', CLUSTER_LEASE: '3s', DB_POOL_MAX: '8', STORAGE_PATH: scope.makeFolder('jobs'), ...database.settings };
  }
  do(...words: string[]): Promise<string> {
    return command(`${binary}-jobs`, words, this.env, 120_000);
  }
  work(): void {
    this.workers.push(this.scope.run(`worker${this.workers.length}`, `${binary}-jobs`, ['work'], { env: this.env }));
  }
  async report(): Promise<Report> {
    return JSON.parse(await this.do('report'));
  }
}

interface Effects {
  rows: number;
  distinct: number;
  first: number;
  last: number;
  workers: number;
}
interface Report {
  effect: Effects;
  tick: Effects;
  topics: Record<string, { waiting: number; running: number; dead: number }>;
}

async function jobsWhileWorkersDie(run: Run, database: Settings): Promise<void> {
  const sqlite = database.settings.DB_DIALECT === 'sqlite'; // which has one writer
  const jobs = (long ? 100_000 : 10_000) / (sqlite ? 4 : 1);
  const members = new Members(run.scope, database);
  await members.do('tables');
  for (let n = 0; n < 4; n++) members.work();
  await members.do('schedule');
  const began = performance.now();
  const enqueued = members.do('enqueue', 'effect', String(jobs));
  let kills = 0;
  let sleeps = 0;
  let report = await members.report();
  const shortest = long ? 120_000 : 8_000;
  while (performance.now() - began < shortest || report.effect.distinct < jobs) {
    await pause(run.random.between(200, 800));
    const n = run.random.between(0, members.workers.length - 1);
    const victim = members.workers[n];
    victim.signal('SIGSTOP');
    if (run.random.next() < 0.25) {
      // Past the lease of its jobs and its own: what it was about to write others have done when it wakes.
      void pause(3_500).then(() => victim.signal('SIGCONT'));
      sleeps++;
    } else {
      victim.signal('SIGKILL');
      await victim.exited;
      kills++;
    }
    members.workers.splice(n, 1);
    members.work();
    report = await members.report();
    if (performance.now() - began > (long ? 600_000 : 90_000)) break;
  }
  await enqueued;
  const seconds = (performance.now() - began) / 1000;
  await members.do('unschedule');
  await until('all jobs are done', 30_000, async () => {
    report = await members.report();
    return Object.values(report.topics).every((topic) => topic.waiting + topic.running === 0);
  });
  const { effect, tick } = report;
  const fireTimes = (tick.last - tick.first) / 1000 + 1;
  run.figures({
    jobs,
    done: effect.distinct,
    twice: effect.rows - effect.distinct,
    dead: report.topics.effect?.dead ?? 0,
    fireTimes,
    fired: tick.distinct,
    firedTwice: tick.rows - tick.distinct,
    kills,
    sleeps,
    workers: effect.workers,
    seconds: Math.round(seconds),
  });
  assert.deepEqual({ rows: effect.rows, distinct: effect.distinct }, { rows: jobs, distinct: jobs });
  assert.deepEqual({ rows: tick.rows, distinct: tick.distinct }, { rows: fireTimes, distinct: fireTimes });
  assert.ok(fireTimes >= Math.floor(seconds) - 3, `${fireTimes} fire times in ${seconds} s`);
  assert.ok(kills > 3, `only ${kills} kills`);
}

for (const Server of [Postgres, MariaDb]) {
  scenario(`8 jobs and schedules while workers die, ${Server === Postgres ? 'PostgreSQL' : 'MariaDB'}`, { limit: 150 }, async (run) => {
    await jobsWhileWorkersDie(run, await Server.start(run.scope));
  });
}
scenario('8 jobs and schedules while workers die, SQLite', { limit: 150 }, async (run) => {
  await jobsWhileWorkersDie(run, { settings: { DB_DIALECT: 'sqlite', DB_STORAGE: join(run.scope.makeFolder('sqlite'), 'jobs.sqlite') } });
});
