// Background jobs and schedules from outside: the command line, the API, metrics.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { command as execute, Scope } from '../cluster/lib/scope.ts';
import { data, refused, signedIn, type Row } from '../lib/client.ts';
import { binary, dialects, run, Server } from '../lib/server.ts';
import { freePort, until } from './wait.ts';

describe('background jobs', () => {
  for (const dialect of dialects()) {
    it(`are listed, retried and cancelled by command and by API (${dialect})`, async () => {
      const scope = new Scope('jobs');
      const admin = await freePort();
      const server = await Server.start(dialect, { APP_KEY: 'a key of the test', ADMIN_PORT: String(admin), CLUSTER_LEASE: '3s' });
      try {
        const environment: Record<string, string> = { ...server.environment };
        if (dialect === 'sqlite') environment.DB_STORAGE = `${server.folder}/storage/db/halcyon.sqlite`;
        const command = (...args: string[]) => run(['cluster', ...args], environment, server.folder);
        const list = (...args: string[]): { jobs: Row[]; topics: Record<string, Row> } => {
          const { code, output } = command('jobs', '--json', ...args);
          assert.equal(code, 0, output);
          return JSON.parse(output);
        };
        const jobs = (...words: string[]) => execute(`${binary}-jobs`, words, environment);
        const api = await signedIn(server.url);

        // Nobody serves this topic, so the jobs wait.
        await jobs('enqueue', 'failing', '4');
        await until('the one that was delayed waits too', 5_000, () => list('--topic', 'failing').topics.failing.waiting === 4);
        const metrics = async () => (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
        await until('the queue shows in the metrics', 15_000, async () => /^halcyon_jobs\{state="waiting",topic="failing"\} 4$/m.test(await metrics()));
        assert.match(await metrics(), /^halcyon_jobs_oldest_seconds\{topic="failing"\} /m);
        const [first, second] = list('--topic', 'failing', '--state', 'waiting').jobs;
        assert.match(command('cancel', String(first.id)).output, /is removed/);
        await api.request({ url: `cluster:cancel?filterByTk=${second.id}`, method: 'post' });
        await refused(api.request({ url: `cluster:cancel?filterByTk=${second.id}`, method: 'post' }), 404, 'JOB_NOT_FOUND');
        assert.equal(command('cancel', String(first.id)).code, 1);

        // A member that does: they fail, and are dead at once.
        const worker = scope.run('worker', `${binary}-jobs`, ['work'], { env: environment });
        await until('both are dead', 20_000, () => list('--state', 'dead').jobs.length === 2);
        const [dead, other] = list('--state', 'dead').jobs;
        assert.equal(dead.error, 'NO_LUCK: Not today.');
        assert.match(command('jobs', '--state', 'dead').output, /failing +dead +1\/1 /);
        assert.match(command('retry', String(dead.id)).output, /waits again/);
        await until('it failed again', 20_000, () => list('--state', 'dead').jobs.length === 2);
        const shown = await api.request({ url: 'cluster:jobs?topic=failing&state=dead' });
        assert.equal(shown.data.data.length, 2);
        assert.equal(shown.data.meta.topics.failing.dead, 2);
        await api.request({ url: `cluster:retry?filterByTk=${other.id}`, method: 'post' });
        await refused(api.request({ url: 'cluster:retry?filterByTk=1234567', method: 'post' }), 404, 'JOB_NOT_FOUND');
        assert.equal(await worker.stop('SIGTERM', 10_000), 0);
      } finally {
        await scope.close();
        await server.stop();
      }
    });
  }

  it('members keep house by schedules', async () => {
    const server = await Server.start('sqlite', {});
    const command = (...args: string[]) => run(['cluster', ...args], server.environment, server.folder);
    const schedules = (): Row[] => JSON.parse(command('schedules', '--json').output);
    assert.deepEqual(schedules().map((one) => one.name), ['housekeeping.expired', 'housekeeping.sessions']);
    assert.match(command('schedules').output, /housekeeping\.expired +\* \* \* \* \* +UTC +housekeeping +once +in \d+ s +-/);
    const api = await signedIn(server.url);
    assert.deepEqual((await data(api.request({ url: 'cluster:schedules' }))).map((one: Row) => one.cron), ['* * * * *', '17 * * * *']);
    assert.equal(await server.end(), 0);
  });
});
