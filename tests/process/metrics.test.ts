// What /metrics shows: in the form that Prometheus wants, as docs/metrics.md says, and true.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { data, signedIn } from '../lib/client.ts';
import { documentedMetrics, type Family, parseExposition, promtool } from '../lib/exposition.ts';
import { type Dialect, dialects, Server } from '../lib/server.ts';
import { freePort, until } from './wait.ts';

const documented = documentedMetrics('metrics.md');
// Shown once there are jobs of some topic; src/cluster/jobs_test.cpp looks at them.
const ofJobs = ['halcyon_job_seconds', 'halcyon_jobs', 'halcyon_job_attempts_total', 'halcyon_jobs_oldest_seconds'];
const ofStandbys = ['halcyon_db_replication_lag_bytes', 'halcyon_db_replication_lag_seconds'];
const ofReplicas = [...documented.keys()].filter((name) => name.startsWith('halcyon_replica_')); // with DB_READ_HOSTS
const ofSupervisors = [...documented.keys()].filter((name) => name.startsWith('halcyon_supervisor_'));

async function figures(admin: number): Promise<Map<string, Family>> {
  const answer = await fetch(`http://127.0.0.1:${admin}/metrics`);
  assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  const text = await answer.text();
  const linted = promtool(['check', 'metrics'], { input: text });
  if (linted) assert.deepEqual(linted, { code: 0, output: '' });
  return parseExposition(text);
}

function value(shown: Map<string, Family>, name: string, labels: Record<string, string> = {}): number {
  const samples = shown.get(name.replace(/_(count|sum|bucket)$/, ''))?.samples ?? shown.get(name)?.samples ?? [];
  const found = samples.filter((sample) => sample.name === name && Object.entries(labels).every(([key, text]) => sample.labels[key] === text));
  assert.equal(found.length, 1, `${name} ${JSON.stringify(labels)}: ${found.length} samples`);
  return found[0].value;
}

function checkDocumented(shown: Map<string, Family>, without: string[]): void {
  for (const [name, family] of shown) {
    assert.equal(documented.get(name)?.type, family.type, `${name} in docs/metrics.md`);
    for (const sample of family.samples) {
      const labels = Object.keys(sample.labels).filter((label) => label !== 'worker' && label !== 'le');
      assert.deepEqual(labels.sort(), documented.get(name)!.labels, `labels of ${name}`);
    }
  }
  assert.deepEqual([...documented.keys()].filter((name) => !shown.has(name) && !ofJobs.includes(name)).sort(), [...without].sort());
}

describe('metrics', () => {
  it('figures of jobs are documented by their names in the program', () => {
    const sources = ['jobs_worker.cpp', 'jobs_metrics.cpp'].map((file) => readFileSync(fileURLToPath(new URL(`../../src/cluster/${file}`, import.meta.url)), 'utf8')).join('\n');
    const named = [...sources.matchAll(/"(halcyon_\w+)"/g)].map((found) => found[1]);
    for (const name of [...named, ...ofJobs]) assert.ok(documented.has(name) && named.includes(name), name);
  });

  for (const dialect of dialects()) {
    it(`are documented, and say what happened (${dialect})`, async () => {
      const admin = await freePort();
      const server = await Server.start(dialect, { ADMIN_PORT: String(admin), HTTP_MAX_REQUESTS: '50', DB_POOL_MAX: '7', CLUSTER_LEASE: '12s' });
      const api = await signedIn(server.url);
      await api.resource('users').list();
      assert.equal((await fetch(`${server.url}/api/nothing:here`)).status, 404);
      for (const path of ['/healthz/ready', '/api/__health_check', '/no/page/of/ours']) await fetch(server.url + path);
      const shown = await figures(admin);
      checkDocumented(shown, [...ofSupervisors, ...ofStandbys, ...ofReplicas]);
      const requests = (kind: string, status: string) => value(shown, 'halcyon_http_requests_total', { kind, status });
      assert.equal(requests('write', '2xx'), 1); // auth:signIn
      assert.equal(requests('read', '2xx'), 1);
      assert.equal(requests('read', '4xx'), 1);
      assert.equal(requests('health', '2xx'), 2);
      assert.equal(requests('web', '4xx') + requests('web', '2xx'), 1);
      assert.equal(value(shown, 'halcyon_http_request_seconds_count', { kind: 'read' }), 2);
      assert.ok(value(shown, 'halcyon_http_request_seconds_sum', { kind: 'write' }) > 0);
      assert.equal(value(shown, 'halcyon_http_requests_limit'), 50);
      assert.equal(value(shown, 'halcyon_db_pool_limit'), 7);
      assert.ok(value(shown, 'halcyon_lease_ttl_seconds') >= 12);
      assert.ok(value(shown, 'halcyon_lease_age_seconds') < 12);
      for (const name of ['halcyon_ready', 'halcyon_db_up', 'halcyon_lease_held', 'halcyon_members']) assert.equal(value(shown, name), 1, name);
      assert.equal(value(shown, 'halcyon_draining'), 0);
      assert.ok(value(shown, 'halcyon_db_statements_total') > 0);
      assert.equal(value(shown, 'halcyon_db_lanes') > 0, dialect === 'postgres');
      assert.equal(value(shown, 'halcyon_db_lanes_open'), value(shown, 'halcyon_db_lanes'));
      // Counters only grow.
      await api.resource('users').list();
      const later = await figures(admin);
      assert.equal(value(later, 'halcyon_http_requests_total', { kind: 'read', status: '2xx' }), 2);
      assert.ok(value(later, 'process_cpu_seconds_total') >= value(shown, 'process_cpu_seconds_total'));
      await server.stop();
    });
  }

  it('of a supervisor and its workers are one text', async () => {
    const admin = await freePort();
    const server = await Server.start('sqlite', { ADMIN_PORT: String(admin), CLUSTER_MODE: '2' });
    await until('both are ready', 10_000, () => server.log('worker ready').length === 2);
    const shown = await figures(admin);
    checkDocumented(shown, [...ofStandbys, ...ofReplicas]);
    const workers = (name: string) => shown.get(name)!.samples.map((sample) => sample.labels.worker ?? 'supervisor').sort();
    assert.deepEqual(workers('halcyon_ready'), ['1', '2']);
    assert.deepEqual(workers('process_threads'), ['1', '2', 'supervisor']);
    assert.equal(value(shown, 'halcyon_supervisor_workers_wanted'), 2);
    await server.stop();
  });

  it('requests refused for overload are counted as such', async () => {
    const admin = await freePort();
    const server = await Server.start('sqlite', { ADMIN_PORT: String(admin), HTTP_MAX_REQUESTS: '1' });
    const answers = await Promise.all(Array.from({ length: 40 }, () => fetch(`${server.url}/api/auth:signIn`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"account":"nocobase","password":"admin123"}' })));
    const shed = answers.filter((answer) => answer.status === 503).length;
    assert.ok(shed > 0);
    const shown = await figures(admin);
    assert.equal(value(shown, 'halcyon_http_requests_shed_total'), shed);
    assert.equal(value(shown, 'halcyon_http_requests_total', { kind: 'write', status: '2xx' }), 40 - shed);
    await server.stop();
  });

  if ((dialects() as Dialect[]).includes('postgres')) {
    it('PostgreSQL: the lag of a standby is shown while there is one', async () => {
      const admin = await freePort();
      const server = await Server.start('postgres', { ADMIN_PORT: String(admin) });
      const { DB_HOST, DB_PORT, DB_USER, DB_PASSWORD } = server.environment;
      const folder = mkdtempSync(join(tmpdir(), 'halcyon-standby-'));
      // It follows the log as a standby does, and keeps it instead of replaying it.
      const follower = spawn('/usr/lib/postgresql/15/bin/pg_receivewal', ['-h', DB_HOST, '-p', DB_PORT, '-U', DB_USER, '-D', folder], {
        env: { PATH: process.env.PATH, PGPASSWORD: DB_PASSWORD, PGAPPNAME: 'follower' },
        stdio: 'ignore',
      });
      try {
        let shown = new Map<string, Family>();
        const standbys = (name: string) => (shown.get(name)?.samples ?? []).map((sample) => sample.labels);
        await until('the standby shows', 20_000, async () => {
          shown = await figures(admin);
          return standbys('halcyon_db_replication_lag_bytes').length > 0;
        });
        assert.deepEqual(standbys('halcyon_db_replication_lag_bytes'), [{ standby: 'follower', synchronous: 'false' }]);
        assert.deepEqual(standbys('halcyon_db_replication_lag_seconds'), [{ standby: 'follower', synchronous: 'false' }]);
        const before = value(shown, 'halcyon_db_replication_lag_bytes');
        follower.kill('SIGSTOP');
        const api = await signedIn(server.url);
        await data(api.resource('roles').create({ values: { name: 'lag', title: 'x'.repeat(200) } }));
        await until('it falls behind', 20_000, async () => value((shown = await figures(admin)), 'halcyon_db_replication_lag_bytes') > before);
        follower.kill('SIGKILL');
        await until('it is gone', 20_000, async () => ((shown = await figures(admin)), standbys('halcyon_db_replication_lag_bytes').length === 0));
      } finally {
        follower.kill('SIGKILL');
        rmSync(folder, { recursive: true, force: true });
        await server.stop();
      }
    });
  }
});
