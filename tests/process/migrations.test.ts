// Migrations as an operator meets them (promise P7): many processes at once, one killed at any moment, old and new
// versions on one database.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { data, signedIn, type Row } from '../lib/client.ts';
import { binary, dialects, previous, run, Server } from '../lib/server.ts';
import { until } from './wait.ts';

interface Migration {
  number: number;
  phase: string;
  state: string;
  known: boolean;
}

function migrations(server: Server, program = binary): Migration[] {
  const shown = run(['migrate', '--status', '--json'], server.environment, server.folder, program);
  assert.equal(shown.code, 0, shown.output);
  return JSON.parse(shown.output.split('\n').find((line) => line.startsWith('['))!);
}
const states = (list: Migration[]) => list.map((one) => one.state);

for (const dialect of dialects()) {
  describe(`migrations on ${dialect}`, () => {
    it('are made by one of ten processes that start at once; all become ready', async () => {
      const first = Server.prepare(dialect, { APP_KEY: 'a secret of the test' });
      const known = migrations(first);
      assert.deepEqual(new Set(states(known)), new Set(['pending']));
      const all = [first, ...Array.from({ length: 9 }, () => first.twin())];
      await Promise.all(all.map((one) => one.launch()));
      for (const one of all) assert.equal((await fetch(`${one.url}/healthz/ready`)).status, 200);
      const begun = all.flatMap((one) => one.log('migration begins')).map((line) => line.number);
      assert.deepEqual([...begun].sort((a, b) => a - b), known.map(({ number }) => number));
      const api = await signedIn(all[7].url);
      const scopes = await data(api.resource('dataSourcesRolesResourcesScopes').list());
      assert.deepEqual(scopes.map((row: Row) => row.key).sort(), ['all', 'own']);
      assert.equal((await data(api.resource('users').list())).length, 1);
      assert.deepEqual(states(migrations(first)), known.map(() => 'applied'));
      for (const one of all.slice(1)) assert.equal(await one.end(), 0);
      await first.stop();
    });

    it('are finished by the next start after a process was killed at any moment', async () => {
      // MariaDB's changes of the model have a lease of 30 s of their own.
      const rounds = dialect === 'mariadb' ? 2 : 5;
      for (let round = 0; round < rounds; round++) {
        const server = Server.prepare(dialect, { MIGRATION_LEASE: '1s' });
        const killed = spawn(binary, ['migrate'], { cwd: server.folder, env: server.environment, stdio: 'ignore' });
        const exited = once(killed, 'exit');
        await new Promise((resolve) => setTimeout(resolve, 30 + Math.random() * 400)); // any moment will do
        killed.kill('SIGKILL');
        await exited;
        await server.launch();
        assert.ok(await signedIn(server.url));
        // Killed during the contract migration, it leaves the lock and that one to the watch of the next.
        assert.deepEqual(states(migrations(server)).slice(0, 3), ['applied', 'applied', 'applied'], `round ${round}`);
        await until('the contract migration', 30_000, () => states(migrations(server))[3] === 'applied');
        await server.stop();
      }
    });

    it('contract when the last old process has gone; then the old version does not start', async () => {
      const old = await Server.start(dialect, { APP_KEY: 'a secret of the test', CLUSTER_LEASE: '2s' }, previous);
      assert.deepEqual(states(migrations(old)), ['applied', 'applied', 'pending', 'pending', 'pending']);
      const made = await signedIn(old.url);
      await made.resource('collections').create({ values: { name: 'notes', fields: [{ name: 'text', type: 'text' }] } });
      const next = old.twin(binary);
      await next.launch();
      assert.deepEqual(states(migrations(old)), ['applied', 'applied', 'applied', 'pending', 'applied']);
      // Both serve and see each other's changes of the model; an old process may even join.
      const api = await signedIn(next.url);
      await api.resource('notes').create({ values: { text: 'of the new one' } });
      await made.resource('collections.fields', 'notes').create({ values: { name: 'by', type: 'string' } });
      await api.resource('notes').create({ values: { text: 'again', by: 'new' } });
      assert.deepEqual((await data(made.resource('notes').list({ sort: ['id'] }))).map((row: Row) => [row.text, row.by]), [['of the new one', null], ['again', 'new']]);
      const again = old.twin();
      await again.launch();
      assert.equal((await fetch(`${again.url}/healthz/ready`)).status, 200);
      assert.equal(again.log('migration begins').length, 0);
      assert.equal(await again.end(), 0);
      assert.equal(await old.end(), 0);
      await until('the contract migration', 30_000, () => states(migrations(old))[3] === 'applied');
      assert.equal((await fetch(`${next.url}/healthz/ready`)).status, 200);
      const refused = run(['serve'], old.environment, old.folder, previous);
      assert.equal(refused.code, 1);
      assert.match(refused.output, /halcyon: This server .* is too old for the database: migration 4/);
      assert.equal(migrations(old, previous)[3].known, false);
      await next.stop();
    });
  });
}
