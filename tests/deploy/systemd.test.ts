// The units, the nginx site and the keepalived example, as far as they can be checked without being started.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { binary, run } from '../lib/server.ts';
import { root } from './lib/docker.ts';

const has = (program: string) => {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

describe('the files for systemd', () => {
  it('are units that systemd takes, with little exposed', { skip: has('systemd-analyze') ? false : 'systemd is not installed' }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'units-'));
    try {
      for (const kind of ['service', 'socket']) {
        // The program is not installed here; another one stands in for it.
        const text = readFileSync(join(root, `deploy/systemd/halcyon@.${kind}`), 'utf8').replace('/usr/bin/halcyon serve', '/bin/true serve');
        writeFileSync(join(folder, `halcyon@.${kind}`), text);
      }
      const said = execFileSync('systemd-analyze', ['verify', join(folder, 'halcyon@13000.service'), join(folder, 'halcyon@13000.socket')], { stdio: 'pipe' }).toString();
      assert.equal(said, '');
      const security = execFileSync('systemd-analyze', ['security', '--offline=yes', '--threshold=25', '--no-pager', join(folder, 'halcyon@.service')], { stdio: 'pipe' }).toString();
      assert.match(security, /Overall exposure level for .*: (0|1|2)\.\d/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('the nginx site is what the program writes', () => {
    const written = run(
      ['nginx-conf', '--site', '--server-name', 'halcyon.example.org', '--upstream', '10.0.0.1:13000', '--upstream', '10.0.0.2:13000', '--tls-cert', '/etc/ssl/halcyon/fullchain.pem', '--tls-key', '/etc/ssl/halcyon/privkey.pem'],
      {}, tmpdir(), binary,
    );
    assert.equal(written.output, readFileSync(join(root, 'deploy/nginx/halcyon.conf'), 'utf8'));
  });

  it('the keepalived example is read without complaint', { skip: has('keepalived') ? false : 'keepalived is not installed' }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'keepalived-'));
    // What it says counts: Debian's 2.2.7 ends itself by SIGTERM after a test, which setsid keeps from us.
    const check = (text: string) => {
      writeFileSync(join(folder, 'keepalived.conf'), text);
      const { stdout, stderr } = spawnSync('setsid', ['-w', 'keepalived', '--config-test', '-f', join(folder, 'keepalived.conf')], { timeout: 20_000 });
      return `${stdout}${stderr}`;
    };
    try {
      const text = readFileSync(join(root, 'deploy/keepalived/keepalived.conf'), 'utf8');
      assert.equal(check(text), '');
      assert.match(check(text.replace('interface eth0', 'interfase eth0')), /Unknown keyword/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
