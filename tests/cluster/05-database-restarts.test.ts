// Scenario 5 (promises P3, P4): the only database is restarted, and crashes, under load. Requests wait and succeed.
import assert from 'node:assert/strict';
import { MariaDb, Postgres } from './lib/databases.ts';
import { long, scenario } from './lib/scenario.ts';
import { pause, until } from './lib/scope.ts';
import { startSystem } from './lib/system.ts';

async function restarts(run: Parameters<Parameters<typeof scenario>[2]>[0], database: Postgres | MariaDb, stops: (() => Promise<void>)[]): Promise<void> {
  const { replicas, load } = await startSystem(run, database);
  await load.start();
  const recovery: number[] = [];
  const away: number[] = [];
  for (let round = 0; round < (long ? 10 : 1); round++) {
    for (const stop of stops) {
      await pause(run.random.between(500, 1_500));
      const began = performance.now();
      await stop();
      // The replicas live on, and say that they are not ready; that is the truth.
      await until('replicas unready', 15_000, async () => !(await replicas[0].isReady()));
      assert.equal(await replicas[0].probe('/healthz/live'), 200);
      await pause(run.random.between(0, long ? 10_000 : 2_000));
      await database.launch();
      const back = performance.now();
      away.push(Math.round(back - began));
      await until('writes succeed again', 60_000, () => !Number.isNaN(load.history.recovery(back)));
      recovery.push(load.history.recovery(back));
      await Promise.all(replicas.map((one) => one.ready()));
    }
  }
  await pause(500);
  await run.conclude(load, database, replicas, { away, recovery });
  assert.ok(Math.max(...recovery) < 3_000, `work resumed after ${recovery} ms`);
}

scenario('5 PostgreSQL restarted', { limit: 120 }, async (run) => {
  const database = await Postgres.start(run.scope);
  await restarts(run, database, [() => database.stop('SIGINT'), () => database.stop('SIGQUIT')]);
});

scenario('5 MariaDB restarted', { limit: 150 }, async (run) => {
  const database = await MariaDb.start(run.scope);
  await restarts(run, database, [() => database.stop('SIGTERM'), () => database.stop('SIGKILL')]);
});
