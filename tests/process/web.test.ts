// What browsers get: the built web client, or a page that says there is none; and whom the server takes a client for.
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import { binary, Server } from '../lib/server.ts';
import { until } from './wait.ts';

interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

/** One request as it is given: fetch would tidy the path and add headers of its own. */
function ask(server: Server, path: string, headers: Record<string, string> = {}, method = 'GET', body = ''): Promise<Answer> {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const request = http.request({ hostname, port, path, method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

const browser = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
const script = `console.log(${JSON.stringify('client '.repeat(500))});`;

function build(folder: string, title = 'one'): void {
  mkdirSync(join(folder, 'assets'), { recursive: true });
  writeFileSync(join(folder, 'index.html'), `<!doctype html><title>${title}</title>`);
  writeFileSync(join(folder, 'assets', 'app-BX3k9aQz.js'), script);
  writeFileSync(join(folder, 'assets', 'app-BX3k9aQz.js.gz'), gzipSync(script));
  writeFileSync(join(folder, 'assets', 'app-BX3k9aQz.js.br'), brotliCompressSync(script));
}

describe('the web client', () => {
  it('is served: pages, packed files, caching; the API and health are not covered by it', async () => {
    const root = mkdtempSync(join(tmpdir(), 'halcyon-web-'));
    build(root);
    writeFileSync(join(root, '..', 'halcyon-secret'), 'secret');
    symlinkSync(join(root, '..', 'halcyon-secret'), join(root, 'link.txt'));
    writeFileSync(join(root, '.env'), 'secret');
    const server = await Server.start('sqlite', { WEB_ROOT: root });
    const text = async (path: string, headers = {}) => (await ask(server, path, headers)).body.toString();

    for (const path of ['/', '/index.html', '/admin', '/admin/pages/7', '/v1.2/page?x=1']) {
      const page = await ask(server, path, browser);
      assert.equal(page.status, 200, path);
      assert.equal(page.body.toString(), '<!doctype html><title>one</title>', path);
      assert.equal(page.headers['cache-control'], 'no-cache', path);
      assert.equal(page.headers['x-frame-options'], 'SAMEORIGIN');
      assert.equal((await ask(server, path, { ...browser, 'if-none-match': page.headers.etag! })).status, 304, path);
    }
    const asset = (encoding: string) => ask(server, '/assets/app-BX3k9aQz.js', { 'accept-encoding': encoding });
    const brotli = await asset('gzip, deflate, br');
    assert.equal(brotli.headers['content-encoding'], 'br');
    assert.equal(brotliDecompressSync(brotli.body).toString(), script);
    const gzip = await asset('gzip');
    assert.equal(gzip.headers['content-encoding'], 'gzip');
    assert.equal(gunzipSync(gzip.body).toString(), script);
    for (const answer of [brotli, gzip, await asset('identity')]) {
      assert.equal(answer.headers['cache-control'], 'public, max-age=31536000, immutable');
      assert.equal(answer.headers['content-type'], 'text/javascript; charset=utf-8');
      assert.equal(answer.headers.vary, 'Accept-Encoding');
    }
    assert.equal((await ask(server, '/', {}, 'HEAD')).body.length, 0);
    assert.equal((await ask(server, '/', {}, 'POST')).status, 404);

    // A file that is missing is missing; a page instead would be read as a script.
    for (const path of ['/assets/gone-BX3k9aQz.js', '/assets/none', '/main.js']) assert.equal((await ask(server, path, { accept: '*/*' })).status, 404, path);
    for (const path of ['/../halcyon-secret', '/%2e%2e/halcyon-secret', '/..%2fhalcyon-secret', '/assets/../../halcyon-secret', '/link.txt', '/.env', '/%2eenv', '//../halcyon-secret', '/assets/..%5c..%5chalcyon-secret', '/%00']) {
      assert.ok(!(await text(path, browser)).includes('secret'), path);
    }
    assert.equal(JSON.parse(await text('/api/app:getInfo', browser)).data.lang, 'en-US');
    for (const path of ['/api', '/api/', '/metrics', '/healthz', '/healthz/other']) assert.notEqual((await ask(server, path, browser)).headers['content-type'], 'text/html; charset=utf-8', path);
    assert.equal(await text('/healthz/ready', browser), 'ok');

    // Another build of the same size and time: a browser that asks with the old tag gets the new page.
    const old = (await ask(server, '/')).headers.etag!;
    const next = mkdtempSync(join(tmpdir(), 'halcyon-web-'));
    build(next, 'two');
    utimesSync(join(next, 'index.html'), 1_700_000_000, 1_700_000_000);
    renameSync(join(next, 'index.html'), join(root, 'index.html'));
    assert.equal((await ask(server, '/', { 'if-none-match': old })).body.toString(), '<!doctype html><title>two</title>');
    await server.stop();
    for (const folder of [root, next]) rmSync(folder, { recursive: true });
    rmSync(join(root, '..', 'halcyon-secret'));
  });

  it('is found in share/halcyon/web beside the program, and can be switched off', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'halcyon-installed-'));
    mkdirSync(join(folder, 'bin'));
    build(join(folder, 'share', 'halcyon', 'web'), 'installed');
    const program = join(folder, 'bin', 'halcyon');
    copyFileSync(binary, program);
    const server = await Server.start('sqlite', {}, program);
    assert.match((await ask(server, '/', browser)).body.toString(), /installed/);
    await server.end();
    server.environment.WEB_ROOT = 'none';
    await server.launch();
    const page = await ask(server, '/', browser);
    assert.equal(page.status, 200);
    assert.match(page.body.toString(), /Halcyon is running[^]*Halcyon 正在运行/);
    assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
    assert.match((await ask(server, '/')).body.toString(), /^Halcyon is running\. /);
    assert.equal((await ask(server, '/some/file')).status, 404);
    await server.stop();
    rmSync(folder, { recursive: true });
  });
});

describe('the address of a client', () => {
  const signIn = (server: Server, forwarded: string, password = 'wrong') =>
    ask(server, '/api/auth:signIn', { 'content-type': 'application/json', 'x-forwarded-for': forwarded }, 'POST', JSON.stringify({ account: 'nocobase', password }));
  const clients = async (server: Server, path: string, requests = 1): Promise<string[]> => {
    // A line may follow its answer.
    await until('the log', 5_000, () => server.log('request').filter((line) => line.path === path).length >= requests);
    return server.log('request').filter((line) => line.path === path).map((line) => line.client);
  };

  it('comes from trusted balancers alone, and counts for the limit of wrong passwords', async () => {
    const server = await Server.start('sqlite', { SIGN_IN_MAX_FAILURES: '3', WEB_ROOT: 'none' });
    // By default a balancer on this machine is trusted: each client has a count of its own.
    for (let i = 0; i < 3; i++) assert.equal((await signIn(server, '198.51.100.1')).status, 401);
    assert.equal((await signIn(server, '198.51.100.1')).status, 429);
    assert.equal((await signIn(server, '198.51.100.2')).status, 401);
    // What the client adds on the left changes nothing.
    for (const lie of ['203.0.113.1, ', '127.0.0.1, ', 'unknown, ', '10.0.0.1,,']) assert.equal((await signIn(server, `${lie}198.51.100.1`)).status, 429, lie);
    assert.equal((await signIn(server, '198.51.100.1', 'admin123')).status, 429);
    await ask(server, '/api/app:lie', { 'x-forwarded-for': '203.0.113.1, 198.51.100.9' });
    assert.deepEqual(await clients(server, '/api/app:lie'), ['198.51.100.9']);
    await server.stop();
  });

  it('is the peer\'s when no balancer is trusted', async () => {
    const server = await Server.start('sqlite', { SIGN_IN_MAX_FAILURES: '3', TRUSTED_PROXIES: 'none', WEB_ROOT: 'none' });
    const answers = [];
    for (let i = 0; i < 6; i++) answers.push((await signIn(server, `198.51.100.${i}`)).status);
    assert.deepEqual(answers, [401, 401, 401, 429, 429, 429]);
    assert.deepEqual(await clients(server, '/api/auth:signIn', 6), Array(6).fill('127.0.0.1'));
    await server.stop();
  });

  it('of a balancer that is no network is refused at the start', async () => {
    await assert.rejects(Server.start('sqlite', { TRUSTED_PROXIES: 'everybody' }), /ended with 2: halcyon: TRUSTED_PROXIES: "everybody" is not accepted; expected addresses and networks/);
  });
});
