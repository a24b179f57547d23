// Scenario 1 (promises P2, P3): replicas die by SIGKILL at random under mixed load, and no client notices.
import { MariaDb, Postgres } from './lib/databases.ts';
import { long, scenario } from './lib/scenario.ts';
import { pause } from './lib/scope.ts';
import { startSystem } from './lib/system.ts';

for (const Server of [Postgres, MariaDb]) {
  scenario(`1 replicas killed, ${Server === Postgres ? 'PostgreSQL' : 'MariaDB'}`, { limit: 90 }, async (run) => {
    const database = await Server.start(run.scope);
    const { replicas, load } = await startSystem(run, database);
    await load.start({ clients: 24, think: 10 });
    const end = performance.now() + (long ? 60_000 : 8_000);
    const ready: number[] = [];
    while (performance.now() < end) {
      await pause(run.random.between(600, 1_000));
      const victim = run.random.pick(replicas);
      // Every other victim is held first: what it had sent to the database is done there, and nobody was answered.
      if (run.random.next() < 0.5) {
        victim.process.signal('SIGSTOP');
        await pause(run.random.between(1, 30));
      }
      const killed = performance.now();
      await victim.kill();
      await victim.restart();
      ready.push(Math.round(performance.now() - killed));
    }
    ready.sort((a, b) => a - b);
    await run.conclude(load, database, replicas, { kills: ready.length, readyAgain: ready[Math.floor(ready.length / 2)] });
  });
}
