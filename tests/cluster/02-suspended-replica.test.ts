// Scenario 2 (promises P3, P5, P8): a replica is suspended past its lease and goes on. What it was asked in between it
// must not do on its old lease: no write twice, no id twice, no answer from the model it knew.
import assert from 'node:assert/strict';
import { MariaDb, Postgres } from './lib/databases.ts';
import { type Answer, Client, signIn, succeeded } from './lib/history.ts';
import { long, type Run, scenario } from './lib/scenario.ts';
import { pause } from './lib/scope.ts';
import { startSystem } from './lib/system.ts';
import { must } from './lib/workload.ts';

const lease = 2_000;

for (const Server of [Postgres, MariaDb]) {
  scenario(`2 replica suspended past its lease, ${Server === Postgres ? 'PostgreSQL' : 'MariaDB'}`, { limit: 120 }, async (run) => {
    const database = await Server.start(run.scope);
    // nginx gives up on a silent replica after 6 s, while that may still be suspended.
    const { replicas, nginx, load } = await startSystem(run, database, { env: { CLUSTER_LEASE: `${lease}ms` }, requestTimeout: 1 });
    const token = await signIn(nginx.url);
    const fields = [{ name: 'sid', type: 'snowflakeId' }, { name: 'token', type: 'string' }];
    const admin = new Client('admin', () => nginx.url, token);
    await must(admin.call('model', 'POST', 'collections:create', { name: 'things', fields }));
    await load.start();
    const waits: number[] = [];
    let queued = 0;
    const asked = new Map<string, Answer>();
    for (let round = 0; round < (long ? 20 : 2); round++) {
      await pause(run.random.between(200, 800));
      const victim = run.random.pick(replicas);
      const others = replicas.filter((one) => one !== victim);
      // Connections that are open before it is suspended, so that requests wait in its sockets.
      const direct = Array.from({ length: 12 }, (_, n) => new Client(`direct ${n}`, () => victim.url, token));
      await Promise.all(direct.map((one) => must(one.call('get', 'GET', 'things:list?pageSize=1'))));
      await victim.process.suspend();
      const field = `f${round}`;
      const creates = direct.slice(0, 6).map((one, n) => {
        const name = `direct-${round}-${n}`;
        return one.call('create', 'POST', 'things:create', { token: name, [field]: name }, name).then((answer) => asked.set(name, answer));
      });
      const reads = direct.slice(6).map((one) => one.call('get', 'GET', 'collections:get?filterByTk=things&appends=fields'));
      queued += direct.length;
      const began = performance.now();
      const other = new Client('other', () => run.random.pick(others).url, token);
      await must(other.call('model', 'POST', 'collections/things/fields:create', { name: field, type: 'string' }));
      waits.push(Math.round(performance.now() - began));
      // Short: nginx waits for it. Long: nginx has given its requests to another replica, and both are asked.
      const suspended = round % 2 === 0 ? lease + run.random.between(300, 2_000) : run.random.between(6_200, 8_500);
      await pause(Math.max(0, suspended - (performance.now() - began)));
      victim.process.resume();
      await checkResumed(field, await Promise.all(reads));
      await Promise.all(creates);
      await victim.ready();
      [...direct, other].forEach((one) => one.close());
    }
    await checkThings(run, await database.query(`SELECT ${database.quote('sid')}, ${database.quote('token')} FROM ${database.quote('things')}`), asked);
    admin.close();
    // For its lease, or for a transaction in which it was suspended (the database ends that after 10 s).
    assert.ok(Math.max(...waits) < 14_000, `a model change waited ${waits} ms for a suspended replica`);
    await run.conclude(load, database, replicas, { suspensions: waits.length, queued, modelChangeWaited: waits, triedAgain: await nginx.triedAgain() });
  });
}

/** The model had changed, with the change acknowledged, before the replica went on. */
async function checkResumed(field: string, answers: Answer[]): Promise<void> {
  for (const answer of answers) {
    if (!succeeded(answer.status)) {
      assert.equal(answer.status, 503, JSON.stringify(answer.body));
      continue;
    }
    const names = answer.body.data.fields.map((one: any) => one.name);
    assert.ok(names.includes(field), `a resumed replica answered with the old model: ${names}`);
  }
}

async function checkThings(run: Run, rows: string[][], asked: Map<string, Answer>): Promise<void> {
  for (const [name, answer] of asked) {
    const found = rows.filter((row) => row[1] === name);
    const fine = succeeded(answer.status) ? 1 : 0;
    assert.ok(answer.status === 503 || fine === 1, `${name}: ${answer.status} ${answer.error} ${JSON.stringify(answer.body)}`);
    // A refused create may not have happened: 503 says that nothing was written.
    assert.equal(found.length, fine, `${name} answered ${answer.status} and is there ${found.length} times`);
    const field = `f${name.split('-')[1]}`;
    if (fine) assert.equal(answer.body.data[field], name, `a value was dropped: ${JSON.stringify(answer.body.data)}`);
  }
  const ids = rows.map((row) => row[0]);
  assert.equal(new Set(ids).size, ids.length, `an id twice, seed ${run.random.seed}`);
}
