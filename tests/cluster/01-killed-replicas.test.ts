// Scenario 1 (promises P2, P3): replicas die by SIGKILL at random under mixed load, and no client notices.
import { MariaDb, Postgres } from './lib/databases.ts';
import { Nginx } from './lib/nginx.ts';
import { startAll, Replica } from './lib/replica.ts';
import { long, scenario } from './lib/scenario.ts';
import { signIn } from './lib/history.ts';
import { pause } from './lib/scope.ts';
import { Workload } from './lib/workload.ts';

for (const Server of [Postgres, MariaDb]) {
  scenario(`1 replicas killed, ${Server === Postgres ? 'PostgreSQL' : 'MariaDB'}`, { limit: 120 }, async (run) => {
    const database = await Server.start(run.scope);
    const replicas = await Promise.all(Array.from({ length: 3 }, () => Replica.make(run.scope, database)));
    await startAll(replicas);
    const nginx = await Nginx.start(run.scope, replicas);
    const load = await Workload.prepare(() => nginx.url, await signIn(nginx.url), run.random);
    await load.start();
    const end = performance.now() + (long ? 60_000 : 12_000);
    const recovery: number[] = [];
    let kills = 0;
    while (performance.now() < end) {
      await pause(run.random.between(600, 1_000));
      const victim = run.random.pick(replicas);
      const killed = performance.now();
      await victim.kill();
      kills++;
      await victim.restart();
      recovery.push(performance.now() - killed);
    }
    recovery.sort((a, b) => a - b);
    await run.conclude(load, database, replicas, { kills, readyAgain: Math.round(recovery[Math.floor(recovery.length / 2)]) });
  });
}
