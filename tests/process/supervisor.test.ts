// CLUSTER_MODE: several worker processes on one port, as an operator uses them (promises P2, P7, P9).
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { type Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { data, signedIn } from '../lib/client.ts';
import { binary, Server } from '../lib/server.ts';
import { freePort, until } from './wait.ts';
import { ask, Load } from './load.ts';

function workersOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}
const alive = (pid: number) => {
  try {
    // A zombie has ended too.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};
const ready = (server: Server, count: number) => until(`${count} workers ready`, 20_000, () => server.log('worker ready').length >= count);

async function notes(server: Server, workers: number): Promise<string> {
  await ready(server, workers);
  const api = await signedIn(server.url);
  await api.resource('collections').create({ values: { name: 'notes', fields: [{ name: 'n', type: 'integer' }] } });
  return api.auth.getToken();
}
/** One create in four, the rest reads. */
const mixed = (server: Server, token: string, written: number[]) => async (agent: Agent, n: number) => {
  if (n % 4 !== 0) return ask(`${server.url}/api/notes:list?pageSize=5`, agent, { token });
  const answer = await ask(`${server.url}/api/notes:create`, agent, { method: 'POST', body: JSON.stringify({ n }), token });
  if (answer.status === 200) written.push(JSON.parse(answer.body).data.id);
  return answer;
};
async function assertKept(server: Server, written: number[]): Promise<void> {
  const api = await signedIn(server.url);
  const kept = new Set((await data(api.resource('notes').list({ paginate: false, fields: ['id'] }))).map((row: any) => row.id));
  assert.deepEqual(written.filter((id) => !kept.has(id)), []);
  assert.equal(kept.size, written.length);
}

describe('CLUSTER_MODE', () => {
  it('replaces workers that are killed, and leaves none behind', async () => {
    const server = await Server.start('sqlite', { CLUSTER_MODE: '3' });
    const token = await notes(server, 3);
    const written: number[] = [];
    const load = new Load(server.url, 6, mixed(server, token, written));
    for (let round = 1; round <= 5; round++) {
      const before = workersOf(server.pid);
      assert.equal(before.length, 3);
      const victim = before[round % 3];
      await load.more(50);
      const killed = Date.now();
      process.kill(victim, 'SIGKILL');
      await ready(server, 3 + round);
      assert.ok(Date.now() - killed < 5_000);
      assert.ok(!workersOf(server.pid).includes(victim));
    }
    await load.more(50);
    const { failed } = await load.stop();
    // Only what the dead held: at most the connection of every client, each time.
    assert.ok(failed.length <= 5 * 6, JSON.stringify(failed.slice(0, 5)));
    assert.ok(failed.every((one) => /hang up|ECONNRESET/.test(one.what)), JSON.stringify(failed.slice(0, 5)));
    const deaths = server.log('worker died');
    assert.equal(deaths.length, 5);
    assert.equal(deaths[0].how, 'killed by signal 9 (Killed)');
    const workers = workersOf(server.pid);
    await server.stop();
    assert.deepEqual(workers.filter(alive), []);
  });

  it('ends its workers when it is killed itself', async () => {
    const server = await Server.start('sqlite', { CLUSTER_MODE: '2' });
    await ready(server, 2);
    const workers = workersOf(server.pid);
    assert.equal(workers.length, 2);
    await server.end('SIGKILL');
    await until('no worker is left', 10_000, () => !workers.some(alive));
    // And the port is free again.
    server.environment.APP_PORT = new URL(server.url).port;
    await server.launch();
    await server.stop();
  });

  it('P7: replaces every worker on SIGHUP without failing a request', async () => {
    const server = await Server.start('sqlite', { CLUSTER_MODE: '2', SHUTDOWN_IDLE: '1s' });
    const token = await notes(server, 2);
    const written: number[] = [];
    const load = new Load(server.url, 8, mixed(server, token, written));
    for (let round = 1; round <= 3; round++) {
      await load.more(100);
      const before = workersOf(server.pid);
      server.signal('SIGHUP');
      // The supervisor becomes the new program last.
      await until('the supervisor is upgraded', 30_000, () => server.log('the supervisor is the new program now').length === round);
      await load.more(100);
      const after = workersOf(server.pid);
      assert.equal(after.length, 2);
      assert.ok(!after.some((pid) => before.includes(pid)));
    }
    const { failed, answered } = await load.stop();
    assert.deepEqual(failed, []);
    assert.ok(answered > 600);
    await assertKept(server, written);
    await server.stop();
  });

  it('keeps the old workers when the new program does not get ready', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'halcyon-program-'));
    const program = join(folder, 'halcyon');
    const install = (write: (path: string) => void) => {
      write(`${program}.new`);
      chmodSync(`${program}.new`, 0o755);
      renameSync(`${program}.new`, program);
    };
    install((path) => copyFileSync(binary, path));
    const server = await Server.start('sqlite', { CLUSTER_MODE: '2', CLUSTER_READY_TIMEOUT: '1s' }, program);
    await ready(server, 2);
    const old = workersOf(server.pid);
    const failures = () => server.log('the workers are not replaced: the new one failed');

    install((path) => writeFileSync(path, '#!/bin/sh\nexit 3\n'));
    server.signal('SIGHUP');
    await until('the failure is logged', 10_000, () => failures().length === 1);
    assert.equal(failures()[0].why, 'exit code 3');
    assert.deepEqual(workersOf(server.pid), old);

    install((path) => writeFileSync(path, '#!/bin/sh\nexec sleep 60\n'));
    server.signal('SIGHUP');
    await until('the hanging one is given up', 10_000, () => failures().length === 2);
    await until('it is gone', 5_000, () => workersOf(server.pid).length === 2);
    assert.deepEqual(workersOf(server.pid), old);
    assert.equal((await fetch(`${server.url}/healthz/ready`)).status, 200);

    // One that dies meanwhile is tried again and again, ever more slowly, until the program is good.
    install((path) => writeFileSync(path, '#!/bin/sh\nexit 3\n'));
    process.kill(old[0], 'SIGKILL');
    await until('it died four times', 20_000, () => server.log('worker died').length >= 6);
    const times = server.log('worker died').slice(-3).map((line) => Date.parse(line.time));
    assert.ok(times[2] - times[1] >= 400 && times[2] - times[1] > times[1] - times[0], JSON.stringify(times));
    assert.equal((await fetch(`${server.url}/healthz/ready`)).status, 200);
    install((path) => copyFileSync(binary, path));
    await ready(server, 3);
    server.signal('SIGHUP');
    await until('the supervisor is upgraded', 20_000, () => server.log('the supervisor is the new program now').length === 1);
    assert.ok(!workersOf(server.pid).some((pid) => old.includes(pid)));
    await server.stop();
  });

  it('P9: finishes everything on SIGTERM and sends clients away first', async () => {
    const admin = await freePort();
    const server = await Server.start('sqlite', { CLUSTER_MODE: '2', SHUTDOWN_DELAY: '500ms', SHUTDOWN_IDLE: '1s', ADMIN_PORT: String(admin) });
    const token = await notes(server, 2);
    const written: number[] = [];
    const load = new Load(server.url, 8, mixed(server, token, written), true);
    await load.more(100);
    const ended = server.end();
    await until('it says so', 2_000, async () => (await fetch(`http://127.0.0.1:${admin}/healthz/ready`)).status === 503);
    // Still serving, and telling.
    const late = await fetch(`${server.url}/api/app:getInfo`);
    assert.equal(late.status, 200);
    assert.equal(late.headers.get('connection'), 'close');
    assert.equal((await fetch(`${server.url}/api/__health_check`)).status, 503);
    await load.finished();
    assert.equal(await ended, 0);
    assert.deepEqual(load.failed, []);
    await server.launch();
    await assertKept(server, written);
    await server.stop();
  });

  it('stops at once on a second signal', async () => {
    for (const mode of ['', '2']) {
      const server = await Server.start('sqlite', { CLUSTER_MODE: mode, SHUTDOWN_DELAY: '60s' });
      if (mode) await ready(server, 2);
      server.signal('SIGTERM');
      await until('it has begun to stop', 5_000, () => server.log('stopping').length >= (mode ? 3 : 1));
      const second = Date.now();
      assert.equal(await server.end('SIGINT'), 0);
      assert.ok(Date.now() - second < 3_000);
    }
  });

  it('ends with the exit code of a worker that refuses the settings', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'halcyon-storage-'));
    writeFileSync(join(folder, 'file'), '');
    await assert.rejects(Server.start('sqlite', { CLUSTER_MODE: '2', STORAGE_PATH: join(folder, 'file', 'x') }), /ended with 2/);
  });

  it('answers on one admin port for all workers', async () => {
    const port = await freePort();
    const server = await Server.start('sqlite', { CLUSTER_MODE: '2', ADMIN_PORT: String(port) });
    await ready(server, 2);
    for (let i = 0; i < 10; i++) await fetch(`${server.url}/api/app:getInfo`, { headers: { connection: 'close' } });
    const admin = `http://127.0.0.1:${port}`;
    for (const path of ['/healthz/live', '/healthz/startup', '/healthz/ready']) {
      await until(path, 5_000, async () => (await fetch(admin + path)).status === 200);
    }
    assert.equal((await fetch(`${admin}/api/app:getInfo`)).status, 404);
    const text = await (await fetch(`${admin}/metrics`)).text();
    assert.match(text, /^halcyon_supervisor_workers_ready 2$/m);
    const counts = [...text.matchAll(/^halcyon_http_requests_total\{worker="(\d)",kind="read",status="2xx"\} (\d+)$/gm)];
    assert.deepEqual(counts.map((found) => found[1]), ['1', '2']);
    assert.equal(counts.reduce((sum, found) => sum + Number(found[2]), 0), 10);
    assert.equal(text.match(/^# TYPE halcyon_http_requests_total/gm)!.length, 1);

    // It survives the replacement of everything behind it.
    const url = `${admin}/healthz/ready`;
    server.signal('SIGHUP');
    const done = () => server.log('the supervisor is the new program now').length === 1;
    await until('the supervisor is upgraded', 20_000, async () => {
      assert.equal((await fetch(url, { headers: { connection: 'close' } })).status, 200);
      return done();
    });
    assert.equal((await fetch(url)).status, 200);
    await server.stop();
  });
});
