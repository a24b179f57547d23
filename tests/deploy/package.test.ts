// The Debian package: built by CPack, installed and removed on a bare Debian 12.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { binary } from '../lib/server.ts';
import { docker, prepareDocker, stopDocker, version } from './lib/docker.ts';

describe('the Debian package', () => {
  before(prepareDocker, { timeout: 1_200_000 });
  after(stopDocker);
  it('installs, runs and goes', { timeout: 400_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'package-'));
    try {
      execFileSync('cpack', ['--config', join(dirname(binary), 'CPackConfig.cmake'), '-B', folder], { cwd: folder, stdio: 'pipe' });
      const file = readdirSync(folder).find((name) => name.endsWith('.deb'));
      assert.equal(file, `halcyon_${version}_amd64.deb`);
      const script = `set -e
        apt-get update -qq && apt-get install -y -qq --no-install-recommends /package/${file} >/dev/null
        halcyon version
        stat -c '%U:%G %a %n' /etc/halcyon/halcyon.env /usr/lib/systemd/system/halcyon@.service
        id -un halcyon
        su -s /bin/sh halcyon -c 'cd /tmp && set -a && . /etc/halcyon/halcyon.env && STORAGE_PATH=/tmp/s CLUSTER_MODE= halcyon migrate'
        apt-get remove -y -qq halcyon >/dev/null
        ! command -v halcyon
        test -e /etc/halcyon/halcyon.env && echo kept`;
      const out = await docker('run', '--rm', '-v', `${folder}:/package:ro`, '-e', 'DEBIAN_FRONTEND=noninteractive', process.env.DEPLOY_BASE_IMAGE ?? 'halcyon-base:bookworm', 'sh', '-c', script);
      assert.match(out, new RegExp(`halcyon ${version}`));
      assert.match(out, /root:halcyon 640 \/etc\/halcyon\/halcyon\.env/);
      assert.match(out, /root:root 644 \/usr\/lib\/systemd\/system\/halcyon@\.service/);
      assert.match(out, /up to date[\s\S]*kept/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
