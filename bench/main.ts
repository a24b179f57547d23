// script/bench: the server beside pgbench running the same SQL, in interleaved short rounds.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Builds } from './builds.ts';
import { measureJobs } from './jobs.ts';
import { isKey, pgbench, requestOf, writePgbench, wrk, wrkScript, type PgbenchScript } from './load.ts';
import { readOptions, UsageError, type Options } from './options.ts';
import { Postgres, type Statement } from './postgres.ts';
import { cpuSeconds, residentMegabytes, sleep } from './process.ts';
import { measureRecovery } from './recovery.ts';
import { print, printComparison, type Machine, type Row } from './report.ts';
import { scenarios, type Scenario } from './scenarios.ts';
import { load, Server, tidy } from './server.ts';
import { CleanUp, median, progress } from './shared.ts';

const kStarts = 5; // starts whose median is reported
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

interface Prepared {
  scenario: Scenario;
  lua: string;
  full: PgbenchScript;
  part?: PgbenchScript; // of lists without the count, of creates without the key of the request
}

const isCount = ({ sql }: Statement) => /\bcount\s*\(/i.test(sql);

class Bench {
  private server!: Server;
  private postgres!: Postgres;
  private machine!: Machine;

  constructor(
    private readonly options: Options,
    private readonly folder: string,
    private readonly cleanUp: CleanUp,
  ) {}

  private chosen(): Scenario[] {
    const { only } = this.options;
    return scenarios.filter(({ name }) => !only.length || only.includes(name));
  }

  private async startServer(): Promise<void> {
    this.server = await Server.start(this.options.binary, this.folder, this.postgres);
    const mine = this.server;
    this.cleanUp.add(() => mine.stop());
  }

  private async prepareDatabase(): Promise<void> {
    progress(`Starting PostgreSQL (fsync ${this.options.fsync ? 'on' : 'off'})`);
    this.postgres = await Postgres.start(this.folder, this.options.fsync);
    this.cleanUp.add(() => this.postgres.stop());
    await this.startServer();
    await this.server.signIn();
    progress(`Loading ${this.options.orders} orders and ${this.options.customers} customers`);
    await load(this.server, this.postgres, this.options);
  }

  // Start-up on the migrated database, and memory once idle; leaves a fresh server running.
  private async measureStart(): Promise<void> {
    const starts: number[] = [];
    for (let i = 0; i < kStarts; ++i) {
      await this.server.stop();
      await this.startServer();
      starts.push(this.server.startMs);
    }
    await sleep(1000);
    this.machine = { startMs: median(starts), idleMb: residentMegabytes(this.server.pid), busyMb: 0 };
    await this.server.signIn();
  }

  private async capture(scenario: Scenario): Promise<Prepared> {
    const variants = scenario.variants(this.options);
    const captured = [];
    for (const variant of variants) {
      let answer = '';
      const { method, path, body } = requestOf(variant);
      await this.warm();
      const statements = await this.postgres.captured(async () => {
        answer = await this.server.call(method, path, body);
      });
      if (!statements.length) throw new Error(`${scenario.name}: the server sent no SQL`);
      const newId = scenario.creates
        ? String((JSON.parse(answer) as { data: { id: number } }).data.id)
        : undefined;
      captured.push({ statements, varying: variant.varying, newId });
    }
    const lua = join(this.folder, `${scenario.name}.lua`);
    writeFileSync(lua, wrkScript(variants, this.server.token));
    const counts = captured.some(({ statements }) => statements.some(isCount));
    if (scenario.counts && !counts) throw new Error(`${scenario.name}: no count was sent`);
    const keys = captured.some(({ statements }) => statements.some(isKey));
    if (scenario.creates && !keys) throw new Error(`${scenario.name}: no key was written`);
    const parts = captured.map((one) => ({
      ...one,
      statements: one.statements.filter((statement) => !isCount(statement) && !isKey(statement)),
    }));
    return {
      scenario,
      lua,
      full: writePgbench(this.folder, scenario.name, captured),
      part:
        counts || keys ? writePgbench(this.folder, `${scenario.name}-part`, parts) : undefined,
    };
  }

  // So that a capture has the SQL of every request and no more: statements that only the first request
  // of a user sends are behind us, and a new row makes counts that the server remembers stale.
  private async warm(): Promise<void> {
    await this.server.call('POST', 'orders:create', '{"no":"N-2000000","status":"new","total":1}');
    await this.server.call('GET', 'customers:get?filterByTk=1');
  }

  private async measure(prepared: Prepared, connections: number): Promise<Row> {
    const { scenario, lua, full, part } = prepared;
    const { seconds, rounds } = this.options;
    const { server, postgres } = this;
    progress(`${scenario.title}, ${connections} connections`);
    const warmUp = Math.max(1, Math.min(2, seconds));
    await wrk(server.origin, lua, connections, warmUp);
    await pgbench(postgres.environment, full, connections, warmUp);
    const samples: Record<string, number[]> = {};
    const note = (name: string, value: number) => (samples[name] ??= []).push(value);
    let errors = 0;
    for (let round = 0; round < rounds; ++round) {
      if (scenario.creates) await tidy(postgres, this.options.orders);
      const before = { server: cpuSeconds(server.pid), database: cpuSeconds(postgres.pid) };
      const http = await wrk(server.origin, lua, connections, seconds);
      const after = { server: cpuSeconds(server.pid), database: cpuSeconds(postgres.pid) };
      errors += http.errors;
      note('rate', http.requests / http.seconds);
      note('p50', http.p50);
      note('p99', http.p99);
      note('serverMs', ((after.server - before.server) * 1000) / http.requests);
      note('databaseMs', ((after.database - before.database) * 1000) / http.requests);
      if (scenario.creates) await tidy(postgres, this.options.orders);
      const start = cpuSeconds(postgres.pid);
      const sql = await pgbench(postgres.environment, full, connections, seconds);
      note('pgbench', sql.perSecond);
      note('pgbenchMs', ((cpuSeconds(postgres.pid) - start) * 1000) / sql.transactions);
      if (part) {
        if (scenario.creates) await tidy(postgres, this.options.orders);
        const began = cpuSeconds(postgres.pid);
        const less = await pgbench(postgres.environment, part, connections, seconds);
        note('pgbenchPart', less.perSecond);
        note('pgbenchPartMs', ((cpuSeconds(postgres.pid) - began) * 1000) / less.transactions);
      }
    }
    const middle = (name: string) => median(samples[name] ?? []);
    return {
      name: scenario.name, title: scenario.title, connections, errors,
      rate: middle('rate'), p50: middle('p50'), p99: middle('p99'),
      serverMs: middle('serverMs'), databaseMs: middle('databaseMs'),
      pgbench: middle('pgbench'), pgbenchMs: middle('pgbenchMs'),
      pgbenchPart: part ? middle('pgbenchPart') : undefined,
      pgbenchPartMs: part ? middle('pgbenchPartMs') : undefined,
    };
  }

  async run(): Promise<void> {
    await this.prepareDatabase();
    await this.measureStart();
    await this.postgres.logStatements(true);
    const prepared: Prepared[] = [];
    for (const scenario of this.chosen()) prepared.push(await this.capture(scenario));
    await this.postgres.logStatements(false);
    await tidy(this.postgres, this.options.orders);
    const rows: Row[] = [];
    for (const connections of this.options.connections) {
      for (const one of prepared) {
        rows.push(await this.measure(one, connections));
        if (one.scenario.creates) await tidy(this.postgres, this.options.orders);
      }
    }
    this.machine.busyMb = residentMegabytes(this.server.pid);
    print(rows, this.machine, this.options);
    if (rows.some((row) => row.errors)) throw new Error('some requests failed; see the errors');
  }
}

// No server: the queue itself, as a process that works on jobs has it.
async function benchJobs(options: Options, folder: string, cleanUp: CleanUp): Promise<void> {
  const binary = join(root, 'build/bench/src/cluster/halcyon_cluster_bench');
  if (!existsSync(binary)) throw new UsageError(`there is no ${binary}`);
  // A queue lives on vacuum: rows come and go.
  const postgres = await Postgres.start(folder, options.fsync, ['autovacuum=on']);
  cleanUp.add(() => postgres.stop());
  await measureJobs(postgres, folder, binary, options.json);
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2), {
    binary: join(root, 'build/release/halcyon'),
    keyed: join(root, 'build/bench/halcyon'),
    unkeyed: join(root, 'build/bench/halcyon-unkeyed'),
  });
  if (!options) return 0;
  options.binary = resolve(options.binary);
  if (options.against) options.against = resolve(options.against);
  for (const binary of options.jobs ? [] : [options.binary, options.against]) {
    if (binary && !existsSync(binary)) throw new UsageError(`there is no binary ${binary}`);
  }
  const folder = mkdtempSync(join(tmpdir(), 'halcyon-bench.'));
  const cleanUp = new CleanUp();
  cleanUp.add(() => rmSync(folder, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void cleanUp.run().finally(() => process.exit(130)));
  }
  try {
    if (options.jobs) await benchJobs(options, folder, cleanUp);
    else if (options.recovery) await measureRecovery(options, folder, cleanUp, join(root, 'tests'));
    else if (options.against) printComparison(await new Builds(options, folder, cleanUp).run(), options);
    else await new Bench(options, folder, cleanUp).run();
    return 0;
  } finally {
    await cleanUp.run();
  }
}

main().then(
  (code) => (process.exitCode = code),
  (error: Error) => {
    process.stderr.write(`script/bench: ${error.message}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  },
);
