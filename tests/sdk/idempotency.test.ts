// Promises P3 and P5 as a client sees them: a repeated request has one effect and one answer, and what
// one process changed is in force on the next when the call returns.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { signedIn } from '../lib/client.ts';
import { type Dialect, Server, dialects } from '../lib/server.ts';

type Answer = { status: number; body: any; replayed: boolean };

class Client {
  constructor(
    readonly url: string,
    readonly token: string,
  ) {}
  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(`${this.url}/api/${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, body: text ? JSON.parse(text) : null, replayed: response.headers.get('idempotent-replayed') === 'true' };
  }
  async ok(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<any> {
    const answer = await this.call(method, path, body, headers);
    assert.equal(answer.status, 200, `${path}: ${JSON.stringify(answer.body)}`);
    return answer.body.data;
  }
  count = async (collection: string) => (await this.call('GET', `${collection}:list`)).body.meta.count as number;
}

/** Sends the request twice and expects one answer; gives its data. */
async function twice(api: Client, method: string, path: string, body: unknown, headers: Record<string, string>): Promise<any> {
  const first = await api.call(method, path, body, headers);
  assert.equal(first.status, 200, `${path}: ${JSON.stringify(first.body)}`);
  assert.equal(first.replayed, false, path);
  const second = await api.call(method, path, body, headers);
  assert.deepEqual(second, { ...first, replayed: true }, path);
  return first.body.data;
}

const notes = { name: 'notes', fields: [{ name: 'title', type: 'string' }, { name: 'code', type: 'string', unique: true }] };

function suite(dialect: Dialect) {
  let server: Server;
  let other: Server;
  let api: Client;
  let there: Client;

  before(async () => {
    server = await Server.start(dialect, { APP_KEY: 'one key for both of the servers' });
    const settings: Record<string, string> = { ...server.environment, APP_PORT: '0' };
    if (dialect === 'sqlite') settings.DB_STORAGE = `${server.folder}/storage/db/halcyon.sqlite`;
    other = await Server.start('sqlite', settings);
    const token = (await signedIn(server.url)).auth.token!;
    api = new Client(server.url, token);
    there = new Client(other.url, token);
    await api.ok('POST', 'collections:create', notes);
  });
  after(async () => {
    await other?.stop();
    await server?.stop();
  });

  test('a repeated create makes one record, on whichever server', async () => {
    const key = { 'Idempotency-Key': 'create-1' };
    const made = await twice(api, 'POST', 'notes:create', { title: 'a' }, key);
    const elsewhere = await there.call('POST', 'notes:create', { title: 'a' }, key);
    assert.equal(elsewhere.body.data.id, made.id);
    assert.equal(elsewhere.replayed, true);
    assert.equal(await api.count('notes'), 1);
  });

  test('a key belongs to its body, its user and its route', async () => {
    const key = { 'Idempotency-Key': 'create-2' };
    await api.ok('POST', 'notes:create', { title: 'b' }, key);
    const reused = await api.call('POST', 'notes:create', { title: 'other' }, key);
    assert.equal(reused.status, 422);
    assert.equal(reused.body.errors[0].code, 'IDEMPOTENCY_KEY_REUSED');
    const elsewhere = await api.call('POST', 'notes:create?x=1', { title: 'b' }, key);
    assert.equal(elsewhere.status, 200);
    assert.equal(elsewhere.replayed, false);
    const long = await api.call('POST', 'notes:create', { title: 'b' }, { 'Idempotency-Key': 'x'.repeat(256) });
    assert.equal(long.status, 400);
  });

  test('requests with one key at the same time have one effect and one answer', async () => {
    const before = await api.count('notes');
    const headers = { 'Idempotency-Key': 'together' };
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) => (i % 2 ? api : there).call('POST', 'notes:create', { title: 'same', code: 'same' }, headers)),
    );
    assert.deepEqual(new Set(answers.map((a) => a.status)), new Set([200]), JSON.stringify(answers));
    assert.equal(new Set(answers.map((a) => a.body.data.id)).size, 1);
    assert.equal(await api.count('notes'), before + 1);
  });

  test("a balancer's second try finds the first one's answer", async () => {
    const made = await twice(api, 'POST', 'notes:create', { title: 'c', code: 'c' }, { 'X-Request-Id': 'r-1' });
    // Ids of requests serve tracing too: another body is another request.
    const next = await api.call('POST', 'notes:create', { title: 'd' }, { 'X-Request-Id': 'r-1' });
    assert.equal(next.status, 200);
    assert.notEqual(next.body.data.id, made.id);
    await twice(api, 'POST', `notes:update?filterByTk=${made.id}`, { title: 'e' }, { 'X-Request-Id': 'r-2' });
    assert.equal(await twice(api, 'POST', `notes:destroy?filterByTk=${made.id}`, undefined, { 'X-Request-Id': 'r-3' }), 1);
    await twice(api, 'POST', 'notes:firstOrCreate?filterKeys=code', { code: 'f' }, { 'X-Request-Id': 'r-4' });
  });

  test('what was refused may be tried again under its key', async () => {
    const headers = { 'Idempotency-Key': 'later' };
    await api.ok('POST', 'notes:create', { code: 'taken' });
    assert.equal((await api.call('POST', 'notes:create', { code: 'taken' }, headers)).status >= 400, true);
    await api.ok('POST', 'notes:destroy?filter={"code":"taken"}');
    await api.ok('POST', 'notes:create', { code: 'taken' }, headers);
  });

  test('changes of the model are repeated without harm', async () => {
    await twice(api, 'POST', 'collections:create', { name: 'things', fields: [{ name: 'a', type: 'string' }] }, { 'X-Request-Id': 'm-1' });
    await twice(api, 'POST', 'collections/things/fields:create', { name: 'b', type: 'integer' }, { 'X-Request-Id': 'm-2' });
    await twice(api, 'POST', 'collections/things/fields:destroy?filterByTk=b', undefined, { 'X-Request-Id': 'm-3' });
    await twice(api, 'POST', 'collections:destroy?filterByTk=things', undefined, { 'X-Request-Id': 'm-4' });
  });

  test('P5: a change of the model is in force on every server when its call returns', async () => {
    for (let i = 0; i < 10; ++i) {
      const [one, two] = i % 2 ? [api, there] : [there, api];
      await one.ok('POST', 'collections/notes/fields:create', { name: `f${i}`, type: 'string' });
      const made = await two.ok('POST', 'notes:create', { [`f${i}`]: 'value' });
      assert.equal((await two.ok('GET', `notes:get?filterByTk=${made.id}`))[`f${i}`], 'value');
      await one.ok('POST', `collections/notes/fields:destroy?filterByTk=f${i}`);
      assert.equal(`f${i}` in (await two.ok('GET', `notes:get?filterByTk=${made.id}`)), false);
    }
  });

  test('P5: a change of rights is in force on every server when its call returns', async () => {
    await api.ok('POST', 'users:create', { username: 'ann', password: 'ann-password', roles: ['member'] });
    const token = (await signedIn(server.url, 'ann', 'ann-password')).auth.token!;
    for (let i = 0; i < 6; ++i) {
      const [admin, ann] = i % 2 ? [api, new Client(other.url, token)] : [there, new Client(server.url, token)];
      const actions = i % 2 ? ['view'] : ['view', 'create'];
      await admin.ok('POST', 'roles:update?filterByTk=member', { strategy: { actions } });
      assert.equal((await ann.call('POST', 'notes:create', { title: 'ann' })).status, i % 2 ? 403 : 200);
    }
  });

  test('a session ends on every server at once, and the end can be repeated', async () => {
    const mine = (await signedIn(server.url, 'ann', 'ann-password')).auth.token!;
    const here = new Client(server.url, mine);
    const away = new Client(other.url, mine);
    assert.equal((await away.call('GET', 'auth:check')).status, 200);
    await twice(here, 'POST', 'auth:signOut', undefined, { 'X-Request-Id': 's-1' });
    assert.equal((await away.call('GET', 'auth:check')).status, 401);
    assert.equal((await away.call('POST', 'auth:signOut', undefined, { 'X-Request-Id': 's-1' })).replayed, true);

    const next = new Client(server.url, (await signedIn(server.url, 'ann', 'ann-password')).auth.token!);
    const change = { oldPassword: 'ann-password', newPassword: 'another-one', confirmPassword: 'another-one' };
    await twice(next, 'POST', 'auth:changePassword', change, { 'X-Request-Id': 's-2' });
  });

  test('an API key is shown again to the one who lost the answer', async () => {
    const made = await twice(api, 'POST', 'apiKeys:create', { name: 'k', role: 'root', expiresIn: '1d' }, { 'X-Request-Id': 'k-1' });
    assert.equal((await new Client(other.url, made.token).call('GET', 'notes:list')).status, 200);
    const [row] = await api.ok('GET', 'apiKeys:list');
    await twice(api, 'POST', `apiKeys:destroy?filterByTk=${row.id}`, undefined, { 'X-Request-Id': 'k-2' });
    assert.equal((await new Client(other.url, made.token).call('GET', 'notes:list')).status, 401);
  });
}

for (const dialect of dialects()) describe(`exactly once on ${dialect}`, () => suite(dialect));
