// Scenario 3 (promises P7, P9): replicas are restarted one after the other, the supervisor replaces its workers on
// SIGHUP by the binary on disk, version N becomes N+1, all under load, and no client notices.
import assert from 'node:assert/strict';
import { copyFileSync, readlinkSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { command, pause, until } from './lib/scope.ts';
import { MariaDb, Postgres } from './lib/databases.ts';
import { binary, previous, type Replica } from './lib/replica.ts';
import { long, scenario } from './lib/scenario.ts';
import { startSystem } from './lib/system.ts';

const rounds = long ? 15 : 1;

for (const Server of [Postgres, MariaDb]) {
  scenario(`3 rolling restart, ${Server === Postgres ? 'PostgreSQL' : 'MariaDB'}`, { limit: 90 }, async (run) => {
    const database = await Server.start(run.scope);
    const { replicas, load } = await startSystem(run, database, { env: { SHUTDOWN_DELAY: '500ms' } });
    await load.start();
    const drains: number[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const replica of replicas) {
        await pause(run.random.between(200, 800));
        const asked = performance.now();
        await replica.drain();
        drains.push(Math.round(performance.now() - asked));
        await replica.restart();
      }
    }
    await pause(500);
    await run.conclude(load, database, replicas, { restarts: drains.length, longestDrain: Math.max(...drains) });
  });
}

for (const Server of [Postgres, MariaDb]) {
  scenario(`3 upgrade from version N to N+1, and back in between, ${Server === Postgres ? 'PostgreSQL' : 'MariaDB'}`, { limit: 90 }, async (run) => {
    const database = await Server.start(run.scope);
    const { replicas, load } = await startSystem(run, database, { env: { SHUTDOWN_DELAY: '500ms', CLUSTER_LEASE: '3s' }, binary: previous });
    const q = (name: string) => database.quote(name);
    const applied = async () => (await database.query(`SELECT ${q('number')} FROM ${q('halcyon_migrations')} WHERE ${q('state')} = 'applied' ORDER BY 1`)).flat().map(Number);
    const old = await applied();
    const shown = await command(binary, ['migrate', '--status', '--json'], replicas[0].env);
    const known: { number: number; phase: string }[] = JSON.parse(shown.split('\n').find((line) => line.startsWith('['))!);
    const numbers = (list: { number: number }[]) => list.map(({ number }) => number);
    const expanded = numbers(known.filter(({ number, phase }) => phase === 'expand' || old.includes(number)));
    assert.ok(expanded.length > old.length && known.length > expanded.length, 'this version expands and contracts');
    await load.start();
    const replace = async (replica: Replica, program: string) => {
      await pause(run.random.between(300, 900));
      replica.binary = program;
      await replica.drain();
      await replica.restart();
    };
    // All but one become new, and go back: an old one was there all the time.
    const some = replicas.slice(1);
    for (const replica of some) await replace(replica, binary);
    assert.deepEqual(await applied(), expanded, 'the new ones have expanded and taken nothing away');
    for (const replica of some) await replace(replica, previous);
    // All become new.
    for (const [n, replica] of replicas.entries()) {
      await replace(replica, binary);
      if (n < replicas.length - 1) assert.deepEqual(await applied(), expanded);
    }
    const left = performance.now();
    await until('the contract migrations', 30_000, async () => (await applied()).length === known.length);
    const contractedAfter = Math.round(performance.now() - left);
    const late = load.successesSince(left);
    await until('requests after it', 10_000, () => load.successesSince(left) > late + 100);
    // Now there is no way back: the old program says so and ends.
    const refused = run.scope.run('refused', previous, ['serve'], { env: { ...replicas[0].env, APP_PORT: '0', ADMIN_PORT: '0' } });
    assert.equal(await refused.exited, 1);
    assert.match(refused.log, /too old for the database/);
    await run.conclude(load, database, replicas, { migrations: (await applied()).length - old.length, contractedAfter });
  });
}

async function workers(supervisor: number): Promise<number[]> {
  const out = await command('ps', ['-o', 'pid=', '--ppid', String(supervisor)]).catch(() => '');
  return out.split('\n').map(Number).filter((pid) => pid > 0);
}

scenario('3 upgrade by SIGHUP', { limit: 90 }, async (run) => {
  const database = await Postgres.start(run.scope);
  // Two machines, each with a supervisor and two workers; the binary on disk is replaced under them.
  const disk = join(run.scope.folder, 'halcyon');
  copyFileSync(binary, disk);
  const { replicas, load } = await startSystem(run, database, { replicas: 2, binary: disk, env: { CLUSTER_MODE: '2', ADMIN_PORT: '0', SHUTDOWN_DELAY: '200ms' } });
  await load.start();
  const took: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await pause(run.random.between(300, 900));
    copyFileSync(binary, `${disk}.new`);
    renameSync(`${disk}.new`, disk);
    for (const replica of replicas) {
      const before = await workers(replica.process.pid);
      assert.ok(before.length >= 2, `workers of ${replica.name}: ${before}`);
      const asked = performance.now();
      replica.process.signal('SIGHUP');
      await until('all workers are new', 60_000, async () => {
        const now = await workers(replica.process.pid);
        return now.length >= 2 && now.every((pid) => !before.includes(pid) && readlinkSync(`/proc/${pid}/exe`) === disk);
      });
      took.push(Math.round(performance.now() - asked));
    }
  }
  await pause(500);
  await run.conclude(load, database, replicas, { upgrades: took.length, longestUpgrade: Math.max(...took) });
});
