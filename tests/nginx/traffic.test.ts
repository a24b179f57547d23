// Requests through nginx with what `halcyon nginx-conf` writes: what it promises to clients and replicas.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { data, signedIn } from '../lib/client.ts';
import { databaseEnvironment, dialects, Server } from '../lib/server.ts';
import { freePort, until } from '../process/wait.ts';
import { Front } from './front.ts';

const json = { 'content-type': 'application/json' };
const html = { accept: 'text/html,*/*' };
const signIn = (password: string) => ({ method: 'POST', headers: json, body: JSON.stringify({ account: 'nocobase', password }) });

/** A folder such as a build of the web client leaves. */
function webClient(): string {
  const folder = mkdtempSync(join(tmpdir(), 'halcyon-web-'));
  mkdirSync(join(folder, 'assets'));
  const script = `console.log(${JSON.stringify('client '.repeat(400))});`;
  writeFileSync(join(folder, 'index.html'), '<!doctype html><title>the client</title>');
  writeFileSync(join(folder, 'favicon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
  writeFileSync(join(folder, 'assets', 'app-3f2a9c1b.js'), script);
  writeFileSync(join(folder, 'assets', 'app-3f2a9c1b.js.gz'), gzipSync(script));
  return folder;
}

describe('nginx in front of replicas', () => {
  const web = webClient();
  const replicas: Server[] = [];
  let front: Front;
  before(async () => {
    const first = await Server.start('sqlite', { WEB_ROOT: 'none' });
    replicas.push(first);
    const second = Server.prepare('sqlite', { ...first.environment, DB_STORAGE: `${first.folder}/storage/db/halcyon.sqlite`, DB_DATABASE: 'same' });
    await second.launch();
    replicas.push(second);
    front = await Front.start(replicas, ['--web-root', web, '--body-limit', '100000', '--sign-in-rate', '60', '--sign-in-burst', '3', '--trusted-proxy', '127.0.0.9']);
  });
  after(async () => {
    await front.stop();
    for (const replica of replicas) await replica.stop();
    rmSync(web, { recursive: true });
  });

  it('ends TLS, speaks HTTP/2, and sends http on to https', async () => {
    const answers = await front.askTogether(Array(20).fill('/api/app:getInfo'));
    assert.deepEqual(answers.map((answer) => answer.status), Array(20).fill(200));
    assert.equal(JSON.parse(answers[0].text).data.lang, 'en-US');
    const [line] = await front.log((one) => one.protocol === 'HTTP/2.0', 20);
    assert.equal(line.tls, 'TLSv1.3');
    const redirect = await front.askPlainly('/api/app:getInfo?x=1');
    assert.equal(redirect.status, 308);
    assert.equal(redirect.headers.location, `https://127.0.0.1:${front.port}/api/app:getInfo?x=1`);
  });

  it('spreads requests over the replicas', async () => {
    await Promise.all(Array.from({ length: 20 }, () => front.ask('/api/app:getInfo', { from: '127.0.0.20' })));
    const lines = await front.log((one) => one.client === '127.0.0.20', 20);
    assert.equal(new Set(lines.map((line) => line.upstream)).size, 2);
  });

  it('serves the web client itself: packed, and cached for ever where names have a hash', async () => {
    const script = await front.ask('/assets/app-3f2a9c1b.js', { headers: { 'accept-encoding': 'gzip' } });
    assert.equal(script.status, 200);
    assert.equal(script.headers['cache-control'], 'public, max-age=31536000, immutable');
    assert.equal(script.headers['content-encoding'], 'gzip');
    assert.match(String(script.headers['content-type']), /^text\/javascript/);
    assert.equal(script.headers['x-content-type-options'], 'nosniff');
    assert.ok(script.body.length < 300); // the file that was packed before
    assert.ok((await front.ask('/assets/app-3f2a9c1b.js')).body.length > 2000);

    const page = await front.ask('/');
    assert.match(page.text, /the client/);
    assert.equal(page.headers['cache-control'], 'no-cache');
    const again = await front.ask('/', { headers: { 'if-none-match': String(page.headers.etag) } });
    assert.equal(again.status, 304);
    assert.match((await front.ask('/admin/pages/42', { headers: html })).text, /the client/);
    // What is missing is asked of the replicas, which may be of another version; these have none.
    assert.equal((await front.ask('/assets/gone-3f2a9c1b.js')).status, 404);
    assert.equal((await front.ask('/missing.js')).status, 404);
    for (const path of ['/.env', '/assets/../../etc/passwd', '/..%2f..%2fetc/passwd']) assert.notEqual((await front.ask(path)).status, 200, path);
    const lines = await front.log((one) => one.path === '/assets/app-3f2a9c1b.js', 2);
    assert.ok(lines.every((line) => line.upstream === ''));
  });

  it('logs each request as one line of JSON, with the times of the replicas', async () => {
    const answer = await front.ask('/api/app:getInfo?token=secret', { headers: { 'user-agent': 'he said "hi"\\' }, from: '127.0.0.21' });
    const [line] = await front.log((one) => one.client === '127.0.0.21');
    assert.equal(line.path, '/api/app:getInfo');
    assert.ok(!JSON.stringify(line).includes('secret'));
    assert.equal(line.status, 200);
    assert.equal(line.upstreamStatus, '200');
    assert.match(line.upstreamSeconds, /^\d+\.\d{3}$/);
    assert.match(line.connectSeconds, /^\d+\.\d{3}$/);
    assert.ok(line.seconds >= 0);
    assert.equal(line.userAgent, 'he said "hi"\\');
    assert.equal(line.requestId, answer.headers['x-request-id']);
  });

  it('the client\'s own address reaches the server, whatever the client says', async () => {
    const seen = async (path: string) => {
      let found: Record<string, any>[] = [];
      await until('the line in a log', 5_000, () => (found = replicas.flatMap((replica) => replica.log('request')).filter((line) => line.path === path)).length > 0);
      return found[0];
    };
    const lie = { 'x-forwarded-for': '203.0.113.1', 'x-real-ip': '203.0.113.2', forwarded: 'for=203.0.113.3' };
    await front.ask('/api/app:honest', { from: '127.0.0.22' });
    assert.equal((await seen('/api/app:honest')).client, '127.0.0.22');
    assert.equal((await seen('/api/app:honest')).peer, '127.0.0.1');
    await front.ask('/api/app:liar', { from: '127.0.0.23', headers: lie });
    assert.equal((await seen('/api/app:liar')).client, '127.0.0.23');
    // A balancer in front of nginx is believed what it added, and no more.
    await front.ask('/api/app:balanced', { from: '127.0.0.9', headers: { 'x-forwarded-for': '203.0.113.1, 198.51.100.7' } });
    assert.equal((await seen('/api/app:balanced')).client, '198.51.100.7');
  });

  it('keeps within its limits: 413 for large bodies, 429 for many sign-ins', async () => {
    const large = await front.ask('/api/app:getInfo', { method: 'POST', headers: json, body: Buffer.alloc(100_001, 'x') });
    assert.equal(large.status, 413);
    assert.equal(JSON.parse(large.text).errors[0].code, 'BODY_TOO_LARGE');

    const from = '127.0.0.24';
    const answers = await Promise.all(Array.from({ length: 8 }, () => front.ask('/api/auth:signIn', { ...signIn('admin123'), from })));
    const refused = answers.filter((answer) => answer.status === 429);
    assert.equal(answers.filter((answer) => answer.status === 200).length, 4); // one, and three at once above that
    assert.equal(refused.length, 4);
    assert.equal(JSON.parse(refused[0].text).errors[0].code, 'TOO_MANY_REQUESTS');
    assert.equal(refused[0].headers['retry-after'], '1');
    // Another client is not concerned, and neither are other requests of this one.
    assert.equal((await front.ask('/api/auth:signIn', { ...signIn('admin123'), from: '127.0.0.25' })).status, 200);
    assert.equal((await front.ask('/api/app:getInfo', { from })).status, 200);
  });

  it('passes WebSockets on', async (t) => {
    if ((await fetch(`${replicas[0].url}/ws`)).status === 404) return t.skip('this server takes no WebSockets');
    assert.equal(await front.upgrade('/ws'), '101 CdXSYUsvsaMthlEXWDNURGWA/1o=');
    const [line] = await front.log((one) => one.path === '/ws');
    assert.equal(line.status, 101);
  });

  it('says so when no replica answers: a page to browsers, JSON to programs; and is back with the first one', async () => {
    for (const replica of replicas) await replica.end();
    const page = await front.ask('/some/page', { headers: html });
    assert.equal(page.status, 200); // the client is nginx's own
    const missing = await front.ask('/file.of.a.replica', { headers: html });
    assert.equal(missing.status, 503);
    assert.match(String(missing.headers['content-type']), /^text\/html/);
    assert.equal(missing.headers['retry-after'], '10');
    assert.match(missing.text, /Back soon/);
    assert.match(missing.text, /稍后恢复/);
    const call = await front.ask('/api/app:getInfo');
    assert.equal(call.status, 503);
    assert.equal(JSON.parse(call.text).errors[0].code, 'NO_SERVER');
    assert.equal(call.headers['retry-after'], '2');
    const port = new URL(replicas[0].url).port;
    replicas[0].environment.APP_PORT = port;
    replicas[1].environment.APP_PORT = new URL(replicas[1].url).port;
    for (const replica of replicas) await replica.launch();
    await until('it serves again', 10_000, async () => (await front.ask('/api/app:getInfo')).status === 200);
  });
});

const postgres = dialects().includes('postgres');
describe('a replica that dies at its work', { skip: postgres ? false : 'needs PostgreSQL' }, () => {
  it('P2: its POST is done by another, once', async () => {
    const environment = { ...databaseEnvironment('postgres'), APP_KEY: 'a key of the test', WEB_ROOT: 'none' };
    const admins = [await freePort(), await freePort()];
    const replicas = [await Server.start('postgres', { ...environment, ADMIN_PORT: String(admins[0]) }), await Server.start('postgres', { ...environment, ADMIN_PORT: String(admins[1]) })];
    const front = await Front.start(replicas);
    const api = await signedIn(replicas[0].url);
    await data(api.resource('collections').create({ values: { name: 'parcels', fields: [{ name: 'label', type: 'string' }] } }));
    const token = api.auth.token!;

    // Writers of the table wait, so that the request is in a replica's hands for as long as we like.
    const { DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, DB_DATABASE } = replicas[0].environment;
    const psql = spawn('psql', ['-q', '-h', DB_HOST, '-p', DB_PORT, '-U', DB_USER, '-d', DB_DATABASE, '-tA'], { env: { ...process.env, PGPASSWORD: DB_PASSWORD } });
    let said = '';
    psql.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const answered = async (statement: string) => {
      said = '';
      psql.stdin.write(`${statement}; SELECT 'done';\n`);
      await until(statement, 20_000, () => said.includes('done'));
      return said.replace('done', '').trim();
    };
    await answered('BEGIN; LOCK TABLE parcels IN EXCLUSIVE MODE');
    const posted = front.ask('/api/parcels:create', { method: 'POST', headers: { ...json, authorization: `Bearer ${token}` }, body: '{"label":"one"}' });

    const inFlight = async (port: number) => Number(/^halcyon_http_requests_in_flight (\d+)$/m.exec(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text())![1]);
    let busy = -1;
    await until('a replica waits for the lock', 20_000, async () => {
      const counts = await Promise.all(admins.map(inFlight));
      busy = counts.indexOf(1);
      return busy >= 0 && Number(await answered("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")) > 0;
    });
    await replicas[busy].end('SIGKILL');
    await until('the other one has it', 20_000, async () => (await inFlight(admins[1 - busy])) === 1);
    await answered('ROLLBACK');
    const answer = await posted;
    assert.equal(answer.status, 200, answer.text);
    assert.equal(JSON.parse(answer.text).data.label, 'one');
    const rest = await signedIn(replicas[1 - busy].url);
    assert.equal((await rest.resource('parcels').list()).data.meta.count, 1);
    const [line] = await front.log((one) => one.path === '/api/parcels:create');
    const addresses = [busy, 1 - busy].map((i) => replicas[i].url.replace('http://', ''));
    assert.equal(line.upstream, addresses.join(', '));
    assert.equal(line.upstreamStatus, '502, 200');
    assert.equal(line.upstreamSeconds.split(', ').length, 2);

    psql.stdin.end();
    await once(psql, 'exit');
    await front.stop();
    await replicas[1 - busy].stop();
    rmSync(replicas[busy].folder, { recursive: true });
  });
});
