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

// Requests wait for so long, and then say that they were not done. When the database is back, so is everything: nginx
// must not have given up on replicas that only said so.
for (const Server of long ? [Postgres, MariaDb] : [Postgres]) {
  scenario(`5 ${Server === Postgres ? 'PostgreSQL' : 'MariaDB'} away for longer than requests wait`, { limit: 120 }, async (run) => {
    const database = await Server.start(run.scope);
    const { replicas, load } = await startSystem(run, database, { env: { DB_FAILOVER_WAIT: '1s', CLUSTER_LEASE: '2s' } });
    await load.start();
    const away: number[] = [];
    const recovery: number[] = [];
    for (let round = 0; round < (long ? 10 : 1); round++) {
      await pause(run.random.between(500, 1_500));
      const began = performance.now();
      await (database instanceof Postgres ? database.stop('SIGQUIT') : database.stop('SIGKILL'));
      await until('requests are refused', 20_000, () => load.history.refused((one) => one.sent > began) > 10);
      await pause(run.random.between(2_000, 5_000));
      assert.ok(!replicas.some((one) => one.process.ended), 'a replica ended');
      await database.launch();
      const back = performance.now();
      away.push(Math.round(back - began));
      await until('writes succeed again', 60_000, () => !Number.isNaN(load.history.recovery(back)));
      recovery.push(load.history.recovery(back));
      await Promise.all(replicas.map((one) => one.ready()));
      const whole = performance.now();
      await until('all is well again', 20_000, () => load.successesSince(whole) > 100);
      assert.equal(load.history.refused((one) => one.sent > whole), 0, 'refused while every replica was ready');
    }
    const givenUp = load.history.refused((one) => one.error.includes('NO_SERVER'));
    await run.conclude(load, database, replicas, { away, recovery, refusedByNginx: givenUp }, true);
    assert.equal(givenUp, 0, 'nginx gave up on replicas that were there');
    assert.ok(Math.max(...recovery) < 3_000, `work resumed after ${recovery} ms`);
  });
}
