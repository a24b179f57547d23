// script/bench --jobs: jobs a second through the queue, and beside it pgbench claiming and removing the same rows in
// batches of the same size, without running anything: what the database alone allows.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { program, type Postgres } from './postgres.ts';
import { cpuSeconds, run } from './process.ts';

interface Figure {
  name: string;
  perSecond: number; // from the first claim until the last row is gone
  enqueuedPerSecond?: number;
  clientMicroseconds: number; // CPU a job
  databaseMicroseconds: number; // CPU a job, of enqueueing too
}

const kCases = [
  { filter: 'BM_Drain/replicas:1/concurrency:4/', name: 'jobs that just return, one process' },
  { filter: 'BM_Drain/replicas:2/concurrency:4/', name: 'the same, two processes' },
  { filter: 'BM_DrainWithFinish/replicas:1/concurrency:16/', name: 'jobs with a transaction of their own each' },
  { filter: 'BM_Through/', name: 'made and worked on at the same time' },
];
const kFloorJobs = 51_200;

interface Benchmark {
  name: string;
  jobs: number;
  per_second: number;
  enqueued_per_second?: number;
  client_us: number;
}

async function measure(binary: string, postgres: Postgres, filter: string, name: string): Promise<Figure> {
  const env = {
    TEST_POSTGRES_HOST: '127.0.0.1', TEST_POSTGRES_PORT: String(postgres.port), TEST_POSTGRES_USER: postgres.user,
    TEST_POSTGRES_PASSWORD: postgres.password, TEST_POSTGRES_DATABASE: postgres.database,
  };
  const before = cpuSeconds(postgres.pid);
  const text = await run(binary, [`--benchmark_filter=${filter}`, '--benchmark_format=json'], { env });
  const database = cpuSeconds(postgres.pid) - before;
  const one = (JSON.parse(text) as { benchmarks: Benchmark[] }).benchmarks[0];
  if (!one) throw new Error(`${name}: nothing was measured`);
  return {
    name, perSecond: one.per_second, enqueuedPerSecond: one.enqueued_per_second,
    clientMicroseconds: one.client_us, databaseMicroseconds: (database * 1e6) / one.jobs,
  };
}

// Claims a batch and removes it, as the queue does, with nothing between.
function floorScript(batch: number): string {
  return `\\set token random(1, 1000000000000)
WITH claimed AS (UPDATE halcyon_jobs SET lane = '~running', position = (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 30000,
 lease_length = 30000, token = :token, owner = 'pgbench', attempts = attempts + 1 WHERE id IN (WITH chosen AS (SELECT id FROM halcyon_jobs
 WHERE lane = 'bench' ORDER BY position, id LIMIT ${batch} FOR UPDATE SKIP LOCKED) SELECT id FROM chosen) RETURNING id, payload)
 SELECT array_agg(id) AS ids, max(payload) AS payload FROM claimed \\gset
DELETE FROM halcyon_jobs WHERE lane = '~running' AND token = :token AND id = ANY((:ids)::bigint[]);
`;
}

async function floor(postgres: Postgres, folder: string, batch: number): Promise<Figure> {
  const file = join(folder, `jobs-${batch}.sql`);
  writeFileSync(file, floorScript(batch));
  await postgres.sql(`INSERT INTO halcyon_jobs (topic, lane, position, priority, run_at, created_at, payload, max_attempts)
    SELECT 'bench', 'bench', 0, 0, 0, 0, '{"record":1}', 10 FROM generate_series(1, ${kFloorJobs});`);
  const args = ['-n', '-M', 'prepared', '-c', '1', '-j', '1', '-t', String(kFloorJobs / batch), '-f', file];
  const before = cpuSeconds(postgres.pid);
  const output = await run(program('pgbench'), args, { env: postgres.environment });
  const database = cpuSeconds(postgres.pid) - before;
  const left = Number(await postgres.sql('SELECT count(*) FROM halcyon_jobs;'));
  if (left !== 0) throw new Error(`pgbench left ${left} jobs`);
  const rate = Number(/^tps = ([\d.]+)/m.exec(output)?.[1]);
  return { name: `pgbench, batches of ${batch}`, perSecond: rate * batch, clientMicroseconds: NaN, databaseMicroseconds: (database * 1e6) / kFloorJobs };
}

const whole = (value: number | undefined) => (value === undefined || Number.isNaN(value) ? '' : Math.round(value).toLocaleString('en-US'));

export async function measureJobs(postgres: Postgres, folder: string, binary: string, asJson: boolean): Promise<void> {
  const figures: Figure[] = [];
  for (const { filter, name } of kCases) {
    process.stderr.write(`${name}\n`);
    figures.push(await measure(binary, postgres, filter, name));
  }
  for (const batch of [64, 512]) figures.push(await floor(postgres, folder, batch));
  if (asJson) {
    process.stdout.write(`${JSON.stringify({ fsync: postgres.fsync, figures }, null, 2)}\n`);
    return;
  }
  const lines = figures.map((one) => `| ${one.name} | ${whole(one.perSecond)} | ${whole(one.enqueuedPerSecond)} | ${whole(one.clientMicroseconds)} | ${whole(one.databaseMicroseconds)} |`);
  process.stdout.write(`| | jobs/s | enqueued/s | client CPU µs | db CPU µs |\n|---|---:|---:|---:|---:|\n${lines.join('\n')}\n`);
}
