// The single set-ups of deploy/compose: from nothing to a record that survives the end of every container.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client, signIn } from '../cluster/lib/history.ts';
import { freePort, Scope, until } from '../cluster/lib/scope.ts';
import { must } from '../cluster/lib/workload.ts';
import { inspect, prepareDocker, serverImage, Stack, stopDocker } from './lib/docker.ts';

const secrets = { APP_KEY: 'k'.repeat(64), APP_AES_SECRET_KEY: '0123456789abcdef'.repeat(4), INIT_ROOT_USERNAME: 'admin', INIT_ROOT_PASSWORD: 'first-Password-1', DB_PASSWORD: 'of-the-test' };

describe('a single set-up', () => {
  before(prepareDocker, { timeout: 1_200_000 });
  after(stopDocker);
  for (const kind of ['sqlite', 'postgres', 'mariadb', 'mysql'] as const) {
    it(`runs on ${kind}`, { timeout: 900_000 }, async (test) => {
      const scope = new Scope(`compose-${kind}`);
      try {
        const port = await freePort();
        const image = kind === 'sqlite' ? {} : { [`${kind.toUpperCase()}_IMAGE`]: await serverImage(kind) };
        const stack = new Stack(scope, `halcyon-test-${kind}`, `${kind}.yml`, { ...secrets, ...image, HTTP_PORT: String(port) });
        const started = performance.now();
        await stack.up();
        const url = `http://127.0.0.1:${port}`;
        const ready = () => until('ready', 120_000, async () => (await fetch(`${url}/healthz/ready`)).status === 200);
        await ready();
        test.diagnostic(`${kind}: ready ${((performance.now() - started) / 1000).toFixed(1)} s after up`);
        const token = await signIn(url, 'admin', secrets.INIT_ROOT_PASSWORD);
        const client = new Client('test', () => url, token);
        await must(client.call('', 'POST', 'collections:create', { name: 'notes', fields: [{ name: 'text', type: 'text' }, { name: 'at', type: 'date' }] }));
        await must(client.call('', 'POST', 'notes:create', { text: '在吗 🙂', at: '2026-01-02T03:04:05.678Z' }));
        const server = (await stack.containers('halcyon'))[0];
        assert.equal(await inspect(server, '{{.HostConfig.ReadonlyRootfs}}'), 'true');
        await stack.healthy('halcyon', 1);
        const stopped = performance.now();
        await stack.compose('stop', 'halcyon');
        assert.equal(await inspect(server, '{{.State.ExitCode}}'), '0', 'it ends by itself on SIGTERM');
        test.diagnostic(`${kind}: stopped in ${((performance.now() - stopped) / 1000).toFixed(1)} s`);
        client.close();
        await stack.compose('down', '-t', '30'); // the volumes stay
        await stack.up();
        await ready();
        const again = new Client('test', () => url, token); // the session too
        const rows = await must(again.call('', 'GET', 'notes:list'));
        assert.deepEqual(rows.map((row: any) => [row.text, row.at]), [['在吗 🙂', '2026-01-02T03:04:05.678Z']]);
        again.close();
      } finally {
        await scope.close();
      }
    });
  }
});
