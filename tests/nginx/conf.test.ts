// What `halcyon nginx-conf` writes is taken by nginx itself, whatever the options.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { run } from '../lib/server.ts';

const folder = mkdtempSync(join(tmpdir(), 'halcyon-nginx-conf-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** What `nginx -t` says of a configuration; warnings count as faults. */
function verdict(file: string): string {
  const result = spawnSync('nginx', ['-t', '-q', '-p', folder, '-c', file], { encoding: 'utf8', timeout: 30_000 });
  assert.equal(result.error, undefined);
  return result.status === 0 ? result.stderr : `exit code ${result.status}: ${result.stderr}`;
}

function conf(...options: string[]): string {
  const made = run(['nginx-conf', ...options], {}, folder);
  assert.equal(made.code, 0, made.output);
  return made.output;
}

const tls = join(folder, 'tls');
const addresses: Record<string, string[]> = {
  'one replica': [],
  'three replicas, one by name': ['--upstream', '127.0.0.1:13000', '--upstream', 'localhost:13001', '--upstream', '[::1]:13002'],
};
const schemes: Record<string, string[]> = {
  http: ['--listen', '127.0.0.1:18080'],
  'http on a port': ['--listen', '18080', '--no-ipv6'],
  'https with a redirect': ['--self-signed', tls, '--listen', '127.0.0.1:18443', '--redirect', '127.0.0.1:18080'],
  'https without HTTP/2': ['--self-signed', tls, '--listen', '127.0.0.1:18443', '--no-http2'],
};
const others: Record<string, string[]> = {
  plain: [],
  named: ['--server-name', 'halcyon.example', '--server-name', '*.halcyon.example'],
  'named beside others': ['--server-name', 'halcyon.example', '--no-default-server'],
  'with the web client': ['--web-root', join(folder, 'web client'), '--acme-root', join(folder, 'acme')],
  unlimited: ['--no-limits', '--body-limit', '0'],
  'sign-ins limited only': ['--rate', '0'],
  'behind a balancer': ['--trusted-proxy', '10.0.0.0/8', '--trusted-proxy', 'fd00::/8', '--trusted-proxy', '192.0.2.1'],
  'other paths': ['--api-path', '/base/api/', '--ws-path', '/base/ws'],
  'other figures': ['--tries', '0', '--max-fails', '1', '--fail-timeout', '1', '--connect-timeout', '1', '--keepalive', '8', '--request-timeout', '10'],
};

describe('halcyon nginx-conf', () => {
  for (const [addressed, at] of Object.entries(addresses)) {
    for (const [scheme, by] of Object.entries(schemes)) {
      it(`is understood by nginx: ${addressed}, ${scheme}`, () => {
        for (const [other, more] of Object.entries(others)) {
          const file = join(folder, 'nginx.conf');
          conf('--prefix', folder, '--output', file, ...at, ...by, ...more);
          assert.equal(verdict(file), '', other);
        }
      });
    }
  }

  it('fits into the configuration that Debian installs', () => {
    const log = join(folder, 'logs');
    writeFileSync(join(folder, 'site'), conf('--site', '--log-dir', log, '--server-name', 'halcyon.example', '--listen', '127.0.0.1:18080'));
    const debian = readFileSync('/etc/nginx/nginx.conf', 'utf8')
      .replace('/etc/nginx/sites-enabled/*', join(folder, 'site'))
      .replace(/^\s*include \/etc\/nginx\/(modules-enabled|conf\.d).*$/gm, '')
      .replaceAll('/var/log/nginx', log)
      .replace('/run/nginx.pid', join(folder, 'nginx.pid'));
    const file = join(folder, 'debian.conf');
    writeFileSync(file, debian);
    assert.equal(verdict(file), '');
  });

  it('takes limits and paths from the settings of the server', () => {
    const text = run(['nginx-conf'], { REQUEST_BODY_LIMIT: '3mb', HTTP_REQUEST_TIMEOUT: '1500ms', API_BASE_PATH: '/v/api/', WS_PATH: '/v/ws', APP_PORT: '14000' }, folder).output;
    assert.match(text, /client_max_body_size 3145728;/);
    assert.match(text, /proxy_read_timeout 7s;/);
    assert.match(text, /location \^~ \/v\/api\/ \{/);
    assert.match(text, /location = \/v\/ws \{/);
    assert.match(text, /server 127\.0\.0\.1:14000 /);
  });

  it('sends HSTS with a real certificate, never with one for trials', () => {
    const certificate = ['--tls-cert', join(tls, 'halcyon.crt'), '--tls-key', join(tls, 'halcyon.key')];
    assert.match(conf(...certificate), /Strict-Transport-Security "max-age=31536000" always;/);
    assert.doesNotMatch(conf(...certificate, '--hsts', '0'), /Strict-Transport-Security/);
    assert.doesNotMatch(conf('--self-signed', tls), /Strict-Transport-Security/);
  });

  it('makes a certificate that names the site', () => {
    const made = join(folder, 'named');
    conf('--self-signed', made, '--server-name', 'halcyon.example');
    const text = execFileSync('openssl', ['x509', '-in', join(made, 'halcyon.crt'), '-noout', '-text', '-checkend', '86400'], { encoding: 'utf8' });
    assert.match(text, /DNS:halcyon\.example, IP Address:127\.0\.0\.1/);
    assert.match(text, /CN = halcyon\.example/);
  });

  it('refuses what nginx would misread, with one line and exit code 2', () => {
    for (const options of [['--server-name', 'a;b'], ['--upstream', 'nowhere'], ['--web-root', '/srv/$x'], ['--trusted-proxy', 'all'], ['--output', '/proc/none/x']]) {
      const refused = run(['nginx-conf', ...options], {}, folder);
      assert.equal(refused.code, 2, options.join(' '));
      assert.match(refused.output, /^halcyon: --[a-z-]+: [^\n]+\n$/);
    }
  });
});
