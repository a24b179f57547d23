// /ws over two processes on one database: who is told what, coming back, and what ends a socket.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { describe, it } from 'node:test';
import { data, signedIn } from '../lib/client.ts';
import { databaseEnvironment, dialects, Server } from '../lib/server.ts';
import { type Change, Socket } from '../lib/socket.ts';
import { until } from './wait.ts';

const token = (api: any): string => api.auth.getToken();
const texts = (changes: Change[]) => changes.map((one) => `${one.action} ${one.record?.title ?? one.key}`);

for (const dialect of dialects()) {
  describe(`realtime over two processes (${dialect})`, () => {
    it('changes reach sockets of both, also after they come back on the other one', async () => {
      const environment: Record<string, string> = { ...databaseEnvironment(dialect), APP_KEY: 'a key of the test' };
      const a = Server.prepare(dialect, environment);
      if (dialect === 'sqlite') environment.DB_STORAGE = a.environment.DB_STORAGE = `${a.folder}/shared.sqlite`;
      const b = Server.prepare(dialect, environment);
      await a.launch();
      await b.launch();
      const at = [await signedIn(a.url), await signedIn(b.url)];
      await at[0].resource('collections').create({ values: { name: 'notes', fields: [{ name: 'title', type: 'string' }, { name: 'n', type: 'integer' }] } });

      let home = a;
      const told: string[] = [];
      const moving = await Socket.open(() => home.url, token(at[0]), () => 20);
      const notes = await moving.subscribe({ collection: 'notes' }, (changes) => told.push(...texts(changes)));
      const high: string[] = [];
      const still = await Socket.open(() => b.url, token(at[1]));
      await still.subscribe({ collection: 'notes', filter: { n: { $gt: 2 } }, fields: ['title'] }, (changes) => high.push(...texts(changes)));

      const made: any[] = [];
      for (let n = 0; n < 4; n++) made.push(await data(at[n % 2].resource('notes').create({ values: { title: `t${n}`, n } })));
      await until('all are told', 10_000, () => told.length === 4);
      assert.deepEqual(told, ['create t0', 'create t1', 'create t2', 'create t3']);

      // While it is away, and on the other process.
      home = b;
      moving.cut();
      await at[0].resource('notes').update({ filterByTk: made[0].id, values: { n: 7 } });
      await at[1].resource('notes').destroy({ filterByTk: made[1].id });
      await at[0].resource('notes').update({ filterByTk: made[3].id, values: { n: 0 } });
      await until('it is told what it missed', 10_000, () => told.length === 7);
      assert.deepEqual(told.slice(4), ['update t0', `destroy ${made[1].id}`, 'update t3']);
      assert.equal(notes.resyncs, 0);
      assert.ok(moving.breaks >= 1);
      // The other one saw what came into and left its filter.
      await until('so does the other', 10_000, () => high.length === 3);
      assert.deepEqual(high, ['create t3', 'update t0', `leave ${made[3].id}`]);

      // A killed process: its sockets come back elsewhere.
      home = a;
      await b.end('SIGKILL');
      await until('it is back', 10_000, () => moving.breaks >= 2 && moving.ready);
      await at[0].resource('notes').create({ values: { title: 'late', n: 1 } });
      await until('and told', 20_000, () => told.at(-1) === 'create late');
      assert.equal(notes.resyncs, 0);

      // Signing out ends it on every process.
      await at[0].auth.signOut();
      await until('it is ended', 10_000, () => notes.error !== '');
      assert.equal(notes.error, 'BLOCKED_TOKEN');
      moving.close();
      // A drained process sends its sockets away.
      const api = await signedIn(a.url);
      const last = await Socket.open(() => a.url, token(api));
      await last.subscribe({ collection: 'notes' });
      assert.equal(await a.end(), 0);
      await until('it is closed', 5_000, () => last.code !== 0);
      assert.equal(last.code, 1012);
      for (const server of [a, b]) rmSync(server.folder, { recursive: true });
    });
  });
}

it('/ws answers plain requests, and keeps to A.10', async () => {
  const server = await Server.start('sqlite');
  assert.equal((await fetch(`${server.url}/ws`)).status, 426);
  const api = await signedIn(server.url);
  const socket = await Socket.open(() => server.url, token(api));
  await until('authorized', 5_000, () => socket.heard.some((one) => one.type === 'authorized'));
  socket.say('anything:else', { x: 1 });
  socket.say('auth:token', { token: '' });
  await until('signed out', 5_000, () => socket.heard.some((one) => one.type === 'unauthorized'));
  const refused = await socket.subscribe({ collection: 'users' });
  assert.equal(refused.error, 'EMPTY_TOKEN');
  socket.close();
  await server.stop();
});
