// Scenario 6 (promises P2, P4, P10): one replica loses its way to the database. It says that it is unready, the others
// serve, and it comes back by itself.
import assert from 'node:assert/strict';
import { Postgres } from './lib/databases.ts';
import { signIn } from './lib/history.ts';
import { type Cut, Network } from './lib/network.ts';
import { Nginx } from './lib/nginx.ts';
import { Replica, startAll } from './lib/replica.ts';
import { long, scenario } from './lib/scenario.ts';
import { pause, until } from './lib/scope.ts';
import { Workload } from './lib/workload.ts';

const lease = 2_000;
const wait = 3_000; // then a request that waits in the replica for its database is taken elsewhere
const kinds: Cut[] = ['silent', 'reset', 'down'];

scenario('6 network cut between a replica and the database', { limit: 120, missing: Network.missing }, async (run) => {
  const network = await Network.make(run.scope);
  const database = await Postgres.start(run.scope, network.databaseHost);
  const env = { CLUSTER_LEASE: `${lease}ms`, DB_FAILOVER_WAIT: `${wait}ms` };
  const cut = await Replica.make(run.scope, database, { env, host: network.replicaHost, prefix: network.prefix, name: 'cut-off' });
  const replicas = [cut, await Replica.make(run.scope, database, { env }), await Replica.make(run.scope, database, { env })];
  await startAll(replicas);
  const nginx = await Nginx.start(run.scope, replicas);
  const load = await Workload.prepare(() => nginx.url, await signIn(nginx.url), run.random);
  await load.start();
  const unready: Partial<Record<Cut, number[]>> = {};
  const back: Partial<Record<Cut, number[]>> = {};
  for (let round = 0; round < (long ? 15 : 2); round++) {
    const kind = kinds[round % kinds.length];
    await pause(run.random.between(300, 1_000));
    const began = performance.now();
    const mend = await network.cut(kind);
    await until('the replica is unready', lease + 5_000, async () => (await cut.probe('/healthz/ready', 500)) !== 200);
    (unready[kind] ??= []).push(Math.round(performance.now() - began));
    assert.equal(await cut.probe('/healthz/live'), 200);
    // The others go on, and what the cut one was asked they answer.
    const later = performance.now() + run.random.between(wait + 500, long ? 20_000 : wait + 1_500);
    await until('the others serve', 10_000, () => load.successesSince(performance.now() - 200) > 20);
    while (performance.now() < later) {
      assert.ok(!(await cut.isReady()), 'ready while it was cut off');
      await pause(100);
    }
    assert.ok(!cut.process.ended, cut.process.log.slice(-2_000));
    const mended = performance.now();
    await mend();
    await cut.ready(30_000);
    (back[kind] ??= []).push(Math.round(performance.now() - mended));
  }
  await pause(500);
  await run.conclude(load, database, replicas, { unreadyAfter: unready, readyAfter: back, triedAgain: await nginx.triedAgain() });
});
