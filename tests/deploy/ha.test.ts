// deploy/compose/ha under load, through its nginx over TLS, while parts of it die and their number changes:
// no request fails, nothing acknowledged is lost, nothing is done twice.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { type Database } from '../cluster/lib/databases.ts';
import { signIn } from '../cluster/lib/history.ts';
import { long, scenario } from '../cluster/lib/scenario.ts';
import { freePort, pause, until } from '../cluster/lib/scope.ts';
import { Workload } from '../cluster/lib/workload.ts';
import { docker, inspect, prepareDocker, Stack, stopDocker } from './lib/docker.ts';

before(prepareDocker, { timeout: 1_200_000 });
after(stopDocker);

const secret = (letter: string) => letter.repeat(32);
const secrets = {
  APP_KEY: secret('k'),
  APP_AES_SECRET_KEY: '0123456789abcdef'.repeat(4),
  INIT_ROOT_USERNAME: 'nocobase',
  INIT_ROOT_PASSWORD: 'admin123',
  DB_PASSWORD: secret('d'),
  POSTGRES_SUPERUSER_PASSWORD: secret('s'),
  POSTGRES_REPLICATION_PASSWORD: secret('r'),
  PATRONI_API_PASSWORD: secret('p'),
};

class PatroniInDocker implements Database {
  readonly settings = {};
  constructor(private stack: Stack) {}
  private async psql(node: string, sql: string): Promise<string[][]> {
    const out = await this.stack.compose('exec', '-T', '-e', `PGPASSWORD=${secrets.DB_PASSWORD}`, node, 'psql', '-XqAt', '-F', '\t', '-h', '127.0.0.1', '-U', 'halcyon', '-d', 'halcyon', '-c', sql);
    return out.split('\n').map((line) => line.replace(/\r$/, '')).filter((line) => line !== '').map((line) => line.split('\t'));
  }
  /** The node that takes writes. */
  leader(): Promise<string> {
    return until('a primary', 60_000, async () => {
      for (const node of ['pg1', 'pg2', 'pg3']) {
        if ((await this.psql(node, 'SELECT pg_is_in_recovery()').catch(() => [['?']]))[0][0] === 'f') return node;
      }
      return undefined;
    }, 200);
  }
  /** Waits for a synchronous standby, without which Patroni does not fail over. */
  async whole(): Promise<void> {
    await until('two standbys, one of them synchronous', 120_000, async () => {
      const listed: any[] = JSON.parse(await this.stack.compose('exec', '-T', await this.leader(), 'patronictl', 'list', '-f', 'json'));
      return listed.length === 3 && listed.every((one) => /running|streaming/.test(one.State)) && listed.some((one) => one.Role === 'Sync Standby');
    }, 1000);
  }
  async query(sql: string): Promise<string[][]> {
    return this.psql(await this.leader(), sql);
  }
  quote(name: string): string {
    return `"${name}"`;
  }
}

/** A certificate that clients of this process accept. */
function certificate(folder: string): void {
  mkdirSync(folder);
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-keyout', join(folder, 'tls.key'), '-out', join(folder, 'tls.crt')], { stdio: 'ignore' });
  chmodSync(folder, 0o755);
  chmodSync(join(folder, 'tls.key'), 0o644); // nginx in the container is another user
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
}

scenario('HA Compose stack: containers killed and scaled under load', { limit: 900 }, async (run) => {
  const [http, https] = [await freePort(), await freePort()];
  const tls = join(run.scope.folder, 'tls');
  certificate(tls);
  const stack = new Stack(run.scope, 'halcyon-test-ha', 'ha/compose.yml', {
    ...secrets, HTTP_ADDRESS: '127.0.0.1', HTTP_PORT: String(http), HTTPS_PORT: String(https), TLS: '', TLS_FOLDER: tls, NGINX_OPTIONS: '--no-limits',
  });
  const started = performance.now();
  await stack.up();
  const url = `https://127.0.0.1:${https}`;
  await until('ready', 60_000, async () => (await fetch(`${url}/api/__health_check`)).status === 200);
  const seconds = (since: number) => Math.round((performance.now() - since) / 100) / 10;
  const times: Record<string, number> = { up: seconds(started) };
  const database = new PatroniInDocker(stack);
  await database.whole();
  const redirect = await fetch(`http://127.0.0.1:${http}/a?b=c`, { redirect: 'manual' });
  assert.equal(redirect.status, 308);

  const load = await Workload.prepare(() => url, await signIn(url), run.random);
  await load.start({ clients: 12, think: 40 });
  const serving = async () => {
    const since = performance.now();
    await until('requests succeed', 60_000, () => load.successesSince(since) > 20);
  };
  for (let round = 0; round < (long ? 10 : 1); round++) {
    await serving();
    let since = performance.now();
    await stack.crash(run.random.pick(await stack.containers('web')));
    await stack.healthy('web', 3);
    times.webAgain = seconds(since);
    await stack.crash(run.random.pick(await stack.containers('worker')));
    await stack.crash(run.random.pick((await Promise.all(['etcd1', 'etcd2', 'etcd3'].map((one) => stack.containers(one)))).flat()));
    await serving();

    const primary = await database.leader();
    since = performance.now();
    await stack.crash((await stack.containers(primary))[0]);
    await until('another primary', 60_000, async () => (await database.leader()) !== primary || performance.now() - since > 5_000, 200);
    await serving();
    times.failover = Math.round(load.history.recovery(since)) / 1000;
    await database.whole();
    times.primaryBackAsStandby = seconds(since);

    since = performance.now();
    await stack.up('--no-deps', '--no-recreate', '--scale', 'web=5', 'web');
    await stack.healthy('web', 5);
    times.scaledTo5 = seconds(since);
    const nginx = (await stack.containers('nginx'))[0];
    await until('nginx knows five', 60_000, async () => (await docker('exec', nginx, 'grep', '-c', 'server .*:13000 max_fails=[1-9]', '/run/halcyon-nginx/nginx.conf')).trim() === '5', 300);
    await serving();
    await stack.up('--no-deps', '--no-recreate', '--scale', 'web=2', 'web');
    await serving();
    await stack.up('--no-deps', '--no-recreate', '--scale', 'web=3', 'web');
    await stack.healthy('web', 3);
    await serving();
  }
  // Time for a last look at all nodes, then the comparison.
  await pause(1_000);
  for (const one of ['web', 'worker']) for (const id of await stack.containers(one)) assert.equal(await inspect(id, '{{.State.Running}}'), 'true');
  times.longestStall = Math.round(load.history.longestStall()) / 1000;
  await run.conclude(load, database, [{ url } as any], { seconds: times });
});
