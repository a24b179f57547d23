// Scenario 4 (promises P3, P4): Patroni replaces a killed primary, and changes roles as planned, under load. Requests
// wait and succeed; nothing acknowledged is lost, nothing applied twice.
import assert from 'node:assert/strict';
import { Patroni } from './lib/patroni.ts';
import { long, scenario } from './lib/scenario.ts';
import { pause, until } from './lib/scope.ts';
import { startSystem } from './lib/system.ts';

scenario('4 failover, PostgreSQL with Patroni', { limit: 150 }, async (run) => {
  const database = await Patroni.start(run.scope);
  const { replicas, load } = await startSystem(run, database);
  await load.start();
  const recovery: Record<'killed' | 'planned', number[]> = { killed: [], planned: [] };
  const away: number[] = [];
  for (let round = 0; round < (long ? 10 : 1); round++) {
    for (const kind of ['killed', 'planned'] as const) {
      await database.synchronous();
      await pause(run.random.between(500, 1_500));
      const old = await database.leader();
      const began = performance.now();
      const switching = kind === 'killed' ? old.killPostgres() : database.switchover();
      await database.newLeader(old);
      const taken = performance.now();
      away.push(Math.round(taken - began));
      await switching;
      await until('writes succeed again', 60_000, () => !Number.isNaN(load.history.recovery(taken)));
      recovery[kind].push(load.history.recovery(taken));
    }
  }
  await pause(500);
  await run.conclude(load, database, replicas, { failovers: away.length, newPrimaryAfter: away, recoveryAfterKill: recovery.killed, recoveryAfterSwitchover: recovery.planned });
  assert.ok(Math.max(...recovery.killed, ...recovery.planned) < 3_000, `work resumed after ${JSON.stringify(recovery)} ms`);
});
