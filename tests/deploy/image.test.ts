// What the images hold and allow.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { docker, inspect, prepareDocker, stopDocker, version } from './lib/docker.ts';

describe('the images', () => {
  before(prepareDocker, { timeout: 1_200_000 });
  after(stopDocker);
  const halcyon = `halcyon/halcyon:${version}`;
  const shown = (image: string, ...args: string[]) => docker('run', '--rm', '--read-only', '--cap-drop', 'ALL', '--network', 'none', ...args, image);

  it('holds the server in less than 120 MB', async (test) => {
    const size = Number(await inspect(halcyon, '{{.Size}}'));
    for (const name of ['halcyon', 'nginx', 'patroni', 'etcd']) test.diagnostic(`${name}: ${(Number(await inspect(`halcyon/${name}:${version}`, '{{.Size}}')) / 1e6).toFixed(0)} MB`);
    assert.ok(size < 120e6, `${size}`);
    assert.match(await docker('run', '--rm', '--read-only', '--cap-drop', 'ALL', halcyon, 'version'), new RegExp(`halcyon ${version}`));
  });

  it('has no shell, no package manager and no root', async () => {
    for (const program of ['/bin/sh', '/usr/bin/sh', '/bin/bash', '/usr/bin/dpkg', '/usr/bin/apt-get']) {
      await assert.rejects(shown(halcyon, '--entrypoint', program), /no such file or directory/);
    }
    for (const name of ['halcyon', 'nginx', 'patroni', 'etcd']) {
      const image = `halcyon/${name}:${version}`;
      assert.match(await inspect(image, '{{.Config.User}}'), /^1\d{4}:1\d{4}$/, name);
      assert.notEqual(await inspect(image, '{{json .Config.Healthcheck}}'), 'null', name);
      const labels = JSON.parse(await inspect(image, '{{json .Config.Labels}}'));
      assert.equal(labels['org.opencontainers.image.version'], version);
      for (const label of ['title', 'description', 'licenses', 'revision', 'created']) assert.ok(labels[`org.opencontainers.image.${label}`], `${name}: ${label}`);
    }
  });

  it('knows time zones and certificate authorities, and says what is in it', async () => {
    const id = (await docker('create', halcyon)).trim();
    try {
      const files = execFileSync('sh', ['-c', 'docker export "$1" | tar -t', 'sh', id], { maxBuffer: 1 << 26 }).toString();
      for (const path of ['usr/share/zoneinfo/Asia/Shanghai', 'etc/ssl/certs/ca-certificates.crt', 'var/lib/dpkg/status.d/libssl3', 'caching_sha2_password.so']) {
        assert.ok(files.includes(path), path);
      }
    } finally {
      await docker('rm', id);
    }
  });
});
