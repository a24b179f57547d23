// Several processes on one database: starting together, what each works on, health, keys, the command line.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { describe, it } from 'node:test';
import { Postgres } from '../cluster/lib/databases.ts';
import { Scope } from '../cluster/lib/scope.ts';
import { data, refused, signedIn, type Row } from '../lib/client.ts';
import { databaseEnvironment, dialects, run, Server } from '../lib/server.ts';
import { freePort, until } from './wait.ts';

const status = async (url: string) => (await fetch(url, { headers: { connection: 'close' } })).status;
const shared = (environment: Record<string, string>, more: Record<string, string> = {}): Record<string, string> => ({ ...environment, APP_KEY: 'a key of the test', ...more });

function members(server: Server): Row[] {
  const { code, output } = run(['cluster', 'status', '--json'], server.environment, server.folder);
  assert.equal(code, 0, output);
  return JSON.parse(output);
}

describe('several processes on one database', () => {
  for (const dialect of dialects()) {
    it(`P7: ten start at once on an empty database (${dialect})`, async () => {
      const environment = shared(databaseEnvironment(dialect), { IO_THREADS: '1' });
      const first = Server.prepare(dialect, environment);
      if (dialect === 'sqlite') environment.DB_STORAGE = first.environment.DB_STORAGE = `${first.folder}/shared.sqlite`;
      const servers = [first, ...Array.from({ length: 9 }, () => Server.prepare(dialect, environment))];
      await Promise.all(servers.map((server) => server.launch()));
      for (const server of servers) assert.equal(await status(`${server.url}/healthz/ready`), 200);
      // What each wanted to put there is there once.
      const api = await signedIn(servers[9].url);
      const counts = async (name: string) => (await data(api.resource(name).list({ paginate: false }))).length;
      assert.equal(await counts('users'), 1);
      assert.equal(await counts('roles'), 3);
      assert.equal(await counts('authenticators'), 1);
      const user = (await data(api.resource('users').list({ appends: ['roles'] })))[0];
      assert.equal(user.roles.length, 3);
      const list = members(first);
      assert.equal(list.length, 10);
      assert.ok(list.every((member) => member.state === 'ready'));
      assert.equal(new Set(list.flatMap((member) => member.workerIds)).size, list.flatMap((member) => member.workerIds).length);
      assert.deepEqual(await Promise.all(servers.map((server) => server.end())), Array(10).fill(0));
      for (const server of servers) rmSync(server.folder, { recursive: true });
    });
  }

  it('WORKER_MODE: without HTTP only the admin port is open', async () => {
    const port = await freePort();
    const admin = await freePort();
    const server = Server.prepare('sqlite', { WORKER_MODE: '*', APP_PORT: String(port), ADMIN_PORT: String(admin) });
    await server.launch();
    await assert.rejects(fetch(`http://127.0.0.1:${port}/healthz/live`));
    assert.equal(await status(`http://127.0.0.1:${admin}/healthz/ready`), 200);
    assert.equal(members(server)[0].workerMode, '*');
    assert.equal(await server.end(), 0);
    // The same under a supervisor.
    server.environment.CLUSTER_MODE = '2';
    await server.launch();
    await until('both are ready', 10_000, () => server.log('worker ready').length === 2);
    await assert.rejects(fetch(`http://127.0.0.1:${port}/healthz/live`));
    assert.equal(await status(`http://127.0.0.1:${admin}/healthz/ready`), 200);
    await server.stop();
  });

  it('a member with another key is refused while others serve', async () => {
    const first = await Server.start('sqlite', { APP_KEY: 'one', CLUSTER_LEASE: '2s' });
    const environment = { ...first.environment, DB_STORAGE: `${first.folder}/storage/db/halcyon.sqlite` };
    await assert.rejects(Server.start('sqlite', { ...environment, APP_KEY: 'two' }), /ended with 2:[^]*APP_KEY is not the key/);
    await assert.rejects(Server.start('sqlite', { ...environment, APP_KEY: '', STORAGE_PATH: `${first.folder}/other` }), /ended with 2:[^]*APP_KEY is not set/);
    const same = await Server.start('sqlite', { ...environment });
    await same.stop();
    // When nobody serves the key may change.
    await first.end();
    first.environment.APP_KEY = 'two';
    await first.launch();
    assert.equal(first.log('APP_KEY is another one than before: everybody must sign in again').length, 1);
    await first.stop();
  });

  it('the command line and the API show the members and drain them', async () => {
    const server = await Server.start('sqlite', { CLUSTER_MODE: '2' });
    await until('both are ready', 10_000, () => server.log('worker ready').length === 2);
    const command = (...args: string[]) => run(['cluster', ...args], server.environment, server.folder);
    await until('both have said so', 5_000, () => members(server).every((member) => member.state === 'ready'));
    const table = command('status').output.split('\n');
    assert.match(table[0], /^MEMBER +HOST +PID +STATE +LEASE ENDS +STARTED +VERSION/);
    assert.match(table[1], / ready +in \d+ s +(now|\d+ s ago) /);
    assert.equal(table.length, 4);

    const [one, two] = members(server);
    assert.equal(command('drain', one.id.slice(0, 8)).code, 0);
    await until('it drains', 5_000, () => members(server)[0].state === 'draining');
    assert.equal(members(server)[1].state, 'ready');
    // Connections are spread over both: one of them is unready.
    const seen = async () => new Set(await Promise.all(Array.from({ length: 30 }, () => status(`${server.url}/healthz/ready`))));
    await until('it is unready', 5_000, async () => (await seen()).has(503));
    assert.equal(command('undrain', one.id).code, 0);
    await until('it serves again', 5_000, async () => !(await seen()).has(503));
    const unknown = command('drain', 'nobody');
    assert.equal(unknown.code, 1);
    assert.match(unknown.output, /There is no member "nobody"/);
    assert.equal(command('drain').code === 0, false);
    for (const name of ['status', 'drain', 'undrain', 'jobs', 'retry']) assert.equal(command(name, '--help').code, 0);

    const api = await signedIn(server.url);
    const listed = await data(api.request({ url: 'cluster:status' }));
    assert.deepEqual(listed.map((member: Row) => member.id).sort(), [one.id, two.id].sort());
    assert.equal(listed.filter((member: Row) => member.self).length, 1);
    await api.request({ url: `cluster:drain?filterByTk=${two.id}`, method: 'post' });
    await until('it drains', 5_000, () => members(server)[1].state === 'draining');
    await api.request({ url: `cluster:undrain?filterByTk=${two.id}`, method: 'post' });
    await until('it serves again', 5_000, () => members(server)[1].state === 'ready');
    await refused(api.request({ url: 'cluster:drain?filterByTk=nobody', method: 'post' }), 404, 'MEMBER_NOT_FOUND');

    // Only administrators.
    await api.resource('users').create({ values: { username: 'mia', password: 'mia-secret-1', roles: ['member'] } });
    const mia = await signedIn(server.url, 'mia', 'mia-secret-1');
    await refused(mia.request({ url: 'cluster:status' }), 403, 'NO_PERMISSION');
    await server.stop();
  });

  it('P10: readiness needs the database, liveness does not', async () => {
    const scope = new Scope('health');
    try {
      const postgres = await Postgres.start(scope);
      const admin = await freePort();
      const server = await Server.start('sqlite', { ...postgres.settings, ADMIN_PORT: String(admin) });
      const paths = [`${server.url}/healthz/ready`, `http://127.0.0.1:${admin}/healthz/ready`, `${server.url}/api/__health_check`];
      const all = async (wanted: number) => (await Promise.all(paths.map(status))).every((one) => one === wanted);
      assert.ok(await all(200));
      await postgres.stop('SIGINT');
      await until('it is unready', 10_000, () => all(503));
      const api = Array.from({ length: 50 }, () => fetch(`${server.url}/api/auth:signIn`, {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"account":"nocobase","password":"admin123"}',
      }).catch(() => undefined));
      for (const path of ['live', 'startup']) {
        const asked = Date.now();
        assert.equal(await status(`${server.url}/healthz/${path}`), 200);
        assert.equal(await status(`http://127.0.0.1:${admin}/healthz/${path}`), 200);
        assert.ok(Date.now() - asked < 1_000);
      }
      await postgres.launch();
      await until('it is ready again', 20_000, () => all(200));
      await Promise.all(api);
      await server.stop();
    } finally {
      await scope.close();
    }
  });
});
