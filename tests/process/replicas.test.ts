// Lists from read replicas (DB_READ_HOSTS), through two processes: nobody misses a write, a lost replica is not noticed.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Scope } from '../cluster/lib/scope.ts';
import { kinds, type Replicated, startReplicated } from '../lib/replicated.ts';
import { type Row } from '../lib/client.ts';
import { Server } from '../lib/server.ts';
import { freePort, until } from './wait.ts';

for (const kind of kinds) describe(`read replicas of ${kind}`, { concurrency: false }, () => suite(kind));

function suite(kind: (typeof kinds)[number]): void {
  let scope: Scope, databases: Replicated, first: Server, second: Server, token: string;

  const call = async (server: Server, path: string, body?: object, position?: string): Promise<{ data: any; meta: Row; position: string | null }> => {
    const headers: Record<string, string> = { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}), ...(position === undefined ? {} : { 'x-read-after': position }) };
    const answer = await fetch(`${server.url}/api/${path}`, { method: body ? 'POST' : 'GET', headers, body: body && JSON.stringify(body) });
    const text = await answer.text();
    assert.equal(answer.status, 200, `${path}: ${text}`);
    return { ...JSON.parse(text), position: answer.headers.get('x-read-after') };
  };
  const metric = async (server: Server, name: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${server.environment.ADMIN_PORT}/metrics`)).text();
    return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1]);
  };
  const inUse = (server: Server) => until('the replica is in use', 20_000, async () => (await metric(server, 'halcyon_replica_up')) === 1);
  const reads = (server: Server) => metric(server, 'halcyon_replica_reads_total');
  const list = (server: Server, position?: string) => call(server, 'notes:list?pageSize=5&sort=-id', undefined, position);

  before(async () => {
    scope = new Scope('replicas');
    databases = await startReplicated(kind, scope);
    const environment = { ...databases.settings, APP_KEY: 'a key of the test' };
    first = Server.prepare(kind, { ...environment, ADMIN_PORT: String(await freePort()) });
    second = Server.prepare(kind, { ...environment, ADMIN_PORT: String(await freePort()) });
    await first.launch();
    await second.launch();
    token = (await call(first, 'auth:signIn', { account: 'nocobase', password: 'admin123' })).data.token;
    await call(first, 'collections:create', { name: 'notes', fields: [{ name: 'text', type: 'string' }] });
    await call(first, 'notes:create', Array.from({ length: 20 }, (_, i) => ({ text: `n${i}` })));
    await inUse(first);
    await inUse(second);
  });
  after(async () => {
    await first?.stop();
    await second?.stop();
    await scope?.close();
  });

  it('reads lists there, and records for those who bring a position', async () => {
    const before = await reads(second);
    for (let i = 0; i < 20; ++i) await list(second);
    assert.ok((await reads(second)) >= before + 15, 'most lists were read from the replica');
    const { position } = await list(second, '0');
    assert.notEqual(position, '0');
    const middle = await reads(second);
    for (let i = 0; i < 20; ++i) await call(second, 'notes:get?filterByTk=1', undefined, position!);
    assert.ok((await reads(second)) >= middle + 15);
  });

  it('shows a writer its write through any process', async () => {
    const writeAndLook = async (text: string, position?: string): Promise<string | null> => {
      const written = await call(first, 'notes:create', { text }, position);
      const seen = await list(second, position === undefined ? undefined : written.position!);
      assert.equal(seen.data[0].text, text, `with position ${written.position}`);
      return written.position;
    };
    const { meta } = await list(second);
    const before = await reads(second);
    for (let i = 0; i < 25; ++i) await writeAndLook(`w${i}`);
    let position: string | null = '0';
    for (let i = 0; i < 25; ++i) position = await writeAndLook(`p${i}`, position!);
    assert.equal((await list(second)).meta.count, meta.count + 50);
    assert.ok((await reads(second)) > before, 'the replica had a part in it');
    await databases.freeze();
    try {
      for (let i = 0; i < 5; ++i) await writeAndLook(`f${i}`);
      for (let i = 0; i < 5; ++i) position = await writeAndLook(`q${i}`, position!);
    } finally {
      await databases.resume();
    }
  });

  it('P5: knows a change of the model everywhere, although the replica does not', async () => {
    const { position } = await list(second, '0');
    await until('the replica is there', 10_000, async () => {
      const before = await reads(second);
      await list(second, position!);
      return (await reads(second)) > before;
    });
    await databases.freeze();
    try {
      const before = await reads(second);
      await list(second, position!);
      assert.ok((await reads(second)) > before, 'an old position is served while the replica stands still');
      await call(first, 'collections/notes/fields:create', { name: 'later', type: 'string', defaultValue: 'x' });
      for (const server of [first, second]) {
        const { data } = await list(server, position!);
        assert.ok('later' in data[0], JSON.stringify(data[0]));
      }
    } finally {
      await databases.resume();
    }
    await inUse(second);
  });

  it('loses and regains a replica without a failed read', async () => {
    await inUse(second);
    let done = false, position = (await list(second, '0')).position!;
    const readers = Array.from({ length: 4 }, async (_, n) => {
      let count = 0;
      for (; !done; ++count) await list(second, n % 2 ? position : undefined);
      return count;
    });
    const writer = (async () => {
      for (let i = 0; !done; ++i) position = (await call(first, 'notes:create', { text: `l${i}` }, '0')).position!;
    })();
    await databases.kill();
    await until('it is out of use', 10_000, async () => (await metric(second, 'halcyon_replica_up')) === 0);
    await databases.launch();
    await inUse(second);
    const before = await reads(second);
    await until('it is read from', 10_000, async () => (await reads(second)) > before);
    done = true;
    await writer;
    assert.ok((await Promise.all(readers)).every((count) => count > 0));
  });
}
