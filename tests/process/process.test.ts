// The process as an operator sees it: bad settings, stop, restart, crash, accounts.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { data, signedIn, type Row } from '../lib/client.ts';
import { dialects, run, Server } from '../lib/server.ts';

describe('the process', () => {
  it('refuses bad settings with one line and exit code 2', () => {
    const folder = mkdtempSync(join(tmpdir(), 'halcyon-config-'));
    const bad = run(['serve'], { DB_DIALECT: 'oracle' }, folder);
    assert.equal(bad.code, 2);
    assert.match(bad.output, /^halcyon: DB_DIALECT: "oracle" is not accepted; expected sqlite\|postgres\|mysql\|mariadb\n$/);
    writeFileSync(join(folder, '.env'), 'DB_DIALLECT=postgres\n');
    assert.equal(run(['config'], {}, folder).code, 2);
    for (const command of [[], ['serve'], ['migrate'], ['user'], ['config'], ['health'], ['version']]) {
      assert.equal(run([...command, '--help'], {}, folder).code, 0, command.join(' '));
    }
  });

  for (const dialect of dialects()) {
    it(`keeps data and sessions over a restart on ${dialect}`, async () => {
      const server = await Server.start(dialect, { APP_KEY: 'a secret of the test' });
      let api = await signedIn(server.url);
      const token = api.auth.getToken();
      await api.resource('collections').create({ values: { name: 'notes', fields: [{ name: 'text', type: 'text' }] } });
      await api.resource('notes').create({ values: { text: 'kept' } });
      assert.equal(await server.end(), 0);
      await server.launch();
      api = await signedIn(server.url);
      api.auth.setToken(token);
      assert.deepEqual((await data(api.resource('notes').list())).map((row: Row) => row.text), ['kept']);
      await server.stop();
    });
  }

  it('loses no acknowledged record when it is killed', async () => {
    const server = await Server.start('sqlite');
    const api = await signedIn(server.url);
    await api.resource('collections').create({ values: { name: 'notes', fields: [{ name: 'n', type: 'integer' }] } });
    const acknowledged: number[] = [];
    let next = 0;
    let killed = false;
    const writers = Array.from({ length: 8 }, async () => {
      while (!killed) {
        const n = next++;
        try {
          await api.resource('notes').create({ values: { n } });
          acknowledged.push(n);
        } catch {
          return;
        }
      }
    });
    while (acknowledged.length < 300) await new Promise((resolve) => setImmediate(resolve));
    killed = true;
    await server.end('SIGKILL');
    await Promise.all(writers);
    await server.launch();
    const after = await signedIn(server.url);
    const kept = new Set((await data(after.resource('notes').list({ paginate: false }))).map((row: Row) => row.n));
    assert.deepEqual(acknowledged.filter((n) => !kept.has(n)), []);
    await server.stop();
  });

  it('tells by `halcyon health` how it is, on the admin port where there is one', async () => {
    const server = await Server.start('sqlite');
    const port = new URL(server.url).port;
    const ask = (settings: Record<string, string>, ...words: string[]) => run(['health', ...words], settings, tmpdir());
    assert.deepEqual(ask({ APP_PORT: port }), { code: 0, output: 'ok\n' });
    assert.equal(ask({ APP_PORT: port, APP_HOST: '127.0.0.1' }, 'live').code, 0);
    assert.equal(ask({ APP_PORT: port }, 'startup').code, 0);
    assert.equal(ask({ APP_PORT: '1', ADMIN_PORT: port }).code, 0);
    assert.equal(ask({ APP_PORT: port }, 'well').code === 0, false);
    await server.stop();
    const gone = ask({ APP_PORT: port });
    assert.equal(gone.code, 1);
    assert.match(gone.output, /^http:\/\/127\.0\.0\.1:\d+\/healthz\/ready: ./);
  });

  it('finishes what is in flight on SIGTERM', async () => {
    const server = await Server.start('sqlite');
    const api = await signedIn(server.url);
    await api.resource('collections').create({ values: { name: 'notes', fields: [{ name: 'n', type: 'integer' }] } });
    // Big enough to be under way when the signal comes.
    const rows = Array.from({ length: 5000 }, (_, n) => ({ n }));
    const writing = api.resource('notes').create({ values: rows } as any);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const ended = server.end('SIGTERM');
    assert.equal((await data(writing)).length, 5000);
    assert.equal(await ended, 0);
  });

  it('tells its health and figures on the admin port', async () => {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const port = (probe.address() as AddressInfo).port;
    probe.close();
    await once(probe, 'close');
    const server = await Server.start('sqlite', { ADMIN_PORT: String(port) });
    const api = await signedIn(server.url);
    await api.resource('users').list();
    const admin = `http://127.0.0.1:${port}`;
    for (const path of ['/healthz/live', '/healthz/ready', '/healthz/startup']) {
      assert.equal((await fetch(admin + path)).status, 200, path);
    }
    assert.equal((await fetch(`${admin}/metrics`)).status, 200); // metrics.test.ts reads it
    // Figures and health only; the API is not there.
    assert.equal((await fetch(`${admin}/api/app:getInfo`)).status, 404);
    assert.equal((await fetch(`${server.url}/metrics`)).status, 404);
    await server.stop();
  });

  it('gives an account a new password from the command line', async () => {
    const server = await Server.start('sqlite');
    assert.equal(await server.end(), 0);
    const made = run(['user', 'nocobase', '--password', 'new-password-1'], server.environment, server.folder);
    assert.equal(made.code, 0, made.output);
    assert.equal(run(['migrate'], server.environment, server.folder).code, 0);
    await server.launch();
    assert.ok(await signedIn(server.url, 'nocobase', 'new-password-1'));
    await server.stop();
  });
});
