// Scenario 9 (promise P8): ids are unique over many processes, restarts, suspensions, and clocks that jump an hour to
// and fro, the database's (which the ids are made by) as well as those of the processes.
//
// Most of the processes only make ids (tests/ids); real replicas beside them give theirs to rows.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Postgres } from './lib/databases.ts';
import { Client, signIn, succeeded } from './lib/history.ts';
import { type Random } from './lib/random.ts';
import { binary, Replica, startAll } from './lib/replica.ts';
import { long, type Run, scenario } from './lib/scenario.ts';
import { type Managed, pause, until } from './lib/scope.ts';
import { must } from './lib/workload.ts';

const library = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/faketime/libfaketimeMT.so.1`;
const makers = long ? 28 : 10;
const replicaCount = long ? 4 : 2;
const wanted = long ? 10_000_000 : 500_000;
const perSecond = 4_000; // of one maker; more than one worker id gives
const troubled = long ? 60 : 8; // restarts at least, and a third as many suspensions
const lease = long ? 3_000 : 2_000;
const batch = 200;

/** A clock of one process, some seconds off the real one. */
class Clock {
  private static made = 0;
  private file: string;
  constructor(run: Run, offset: number) {
    this.file = join(run.scope.folder, `clock-${Clock.made++}`);
    this.set(offset);
  }
  set(offset: number): void {
    writeFileSync(`${this.file}.new`, `${offset < 0 ? '-' : '+'}${Math.abs(offset)}\n`, { mode: 0o644 });
    renameSync(`${this.file}.new`, this.file);
  }
  jump(random: Random): void {
    this.set(random.between(-3600, 3600));
  }
  get env(): Record<string, string> {
    return { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: this.file, FAKETIME_CACHE_DURATION: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' };
  }
}

/** What libfaketime of killed processes left. */
function sweep(): void {
  for (const name of readdirSync('/dev/shm')) {
    const pid = /^(?:sem\.)?faketime_(?:shm|sem)_(\d+)$/.exec(name)?.[1];
    if (pid && !existsSync(`/proc/${pid}`)) rmSync(`/dev/shm/${name}`, { force: true });
  }
}

/** A process that makes nothing but ids. */
class Maker {
  process!: Managed;
  readonly file: string;
  constructor(
    private run: Run,
    readonly number: number,
    private env: Record<string, string>,
  ) {
    this.file = join(run.scope.folder, `ids-${number}`);
  }
  launch(): void {
    this.process = this.run.scope.run(`maker${this.number}`, `${binary}-ids`, [this.file, String(perSecond)], { env: this.env });
  }
  ids(): Float64Array {
    if (!existsSync(this.file)) return new Float64Array(0);
    const bytes = readFileSync(this.file);
    return Float64Array.from(new BigUint64Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 8)), Number);
  }
}

interface Troubled {
  process: Managed;
  launch(): void;
}

/** Kills, ends or suspends one past its lease. */
async function trouble(one: Troubled, random: Random): Promise<'restarts' | 'suspensions'> {
  const dice = random.next();
  if (dice < 0.3) {
    await one.process.suspend();
    await pause(lease + random.between(200, 1_500));
    one.process.resume();
    return 'suspensions';
  }
  const how = await one.process.stop(dice < 0.7 ? 'SIGKILL' : 'SIGTERM', 30_000);
  // The signal itself ends a process that has not got as far as asking for it yet.
  assert.ok(how === 'SIGKILL' || how === 'SIGTERM' || how === 0, `${one.process.name} ended with ${how}: ${one.process.log.slice(-1_000)}`);
  one.launch();
  return 'restarts';
}

/** Rows made through a replica until told to stop; gives what was neither done nor refused with 503. */
async function write(replica: Replica, token: string, stopped: () => boolean): Promise<string[]> {
  const client = new Client(`writer of ${replica.name}`, () => replica.url, token);
  const rows = Array.from({ length: batch }, (_, n) => ({ n }));
  const failures: string[] = [];
  while (!stopped()) {
    const answer = await client.call('create', 'POST', 'marks:create?fields=id', rows);
    if (succeeded(answer.status)) continue;
    // A killed replica answers nobody, and one that was suspended may refuse.
    if (answer.status !== 0 && answer.status !== 503) failures.push(`${answer.status} ${JSON.stringify(answer.body).slice(0, 200)}`);
    await pause(50);
  }
  client.close();
  return failures;
}

function duplicates(lists: Float64Array[]): { ids: number; twice: number; least: number; most: number } {
  const all = new Float64Array(lists.reduce((sum, list) => sum + list.length, 0));
  lists.reduce((at, list) => (all.set(list, at), at + list.length), 0);
  all.sort();
  let twice = 0;
  for (let i = 1; i < all.length; i++) if (all[i] === all[i - 1]) twice++;
  return { ids: all.length, twice, least: all[0], most: all[all.length - 1] };
}

scenario('9 ids over restarts, suspensions and jumping clocks', { limit: 150 }, async (run) => {
  assert.ok(existsSync(library), 'faketime is not installed');
  const { random } = run;
  run.scope.defer(sweep);
  const databaseClock = new Clock(run, 0);
  const database = await Postgres.start(run.scope, '127.0.0.1', [], databaseClock.env);
  const clocks = [databaseClock];
  const environment = () => {
    const clock = new Clock(run, random.between(-3600, 3600));
    clocks.push(clock);
    return { ...clock.env, CLUSTER_LEASE: `${lease}ms`, SHUTDOWN_IDLE: '100ms', JWT_EXPIRES_IN: '10d', DB_POOL_MAX: '2', DB_POOL_MIN: '0' };
  };
  const replicas: Replica[] = [];
  for (let n = 0; n < replicaCount; n++) replicas.push(await Replica.make(run.scope, database, { env: environment() }));
  await startAll(replicas);
  // A token made by a replica whose clock was set back is valid for all.
  clocks[1].set(-4000);
  await pause(1_100);
  const token = await signIn(replicas[0].url);
  const admin = new Client('admin', () => replicas[0].url, token);
  // Not the primary key: the database must not be the one that refuses a second.
  await must(admin.call('model', 'POST', 'collections:create', { name: 'marks', fields: [{ name: 'sid', type: 'snowflakeId' }, { name: 'n', type: 'integer' }] }));
  admin.close();
  const list = Array.from({ length: makers }, (_, n) => new Maker(run, n, { ...database.settings, ...environment(), LOGGER_LEVEL: 'warn' }));
  const made = () => list.reduce((sum, one) => sum + (existsSync(one.file) ? statSync(one.file).size / 8 : 0), 0);
  list.forEach((one) => one.launch());
  await until('every process makes ids', 60_000, () => made() >= makers && list.every((one) => existsSync(one.file)));

  let stopped = false;
  run.scope.defer(() => void (stopped = true)); // when it fails half-way
  const writers = Promise.all(replicas.map((one) => write(one, token, () => stopped)));
  const counts = { restarts: 0, suspensions: 0, jumps: 0 };
  const began = performance.now();
  const busy = new Set<Troubled>();
  const troubles: Promise<void>[] = [];
  while (made() < wanted || counts.restarts < troubled || counts.suspensions < troubled / 3) {
    await pause(random.between(50, 250));
    for (let n = 0; n < 3; n++) random.pick(clocks).jump(random);
    if (random.next() < 0.1) databaseClock.jump(random);
    counts.jumps += 3;
    const victim = random.pick<Troubled>([...list, ...replicas]);
    if (busy.size >= 3 || busy.has(victim)) continue;
    busy.add(victim);
    troubles.push(trouble(victim, random).then((what) => void (busy.delete(victim), counts[what]++)));
    assert.deepEqual(list.filter((one) => one.process.ended && !busy.has(one)).map((one) => one.process.log.slice(-500)), []);
  }
  const seconds = Math.round((performance.now() - began) / 1000);
  await Promise.all(troubles);
  stopped = true;
  const failures = (await writers).flat();
  await Promise.all(list.map((one) => one.process.stop('SIGTERM', 20_000)));
  const rows = (await database.query('SELECT sid FROM marks')).map((row) => Number(row[0]));
  const { ids, twice, least, most } = duplicates([...list.map((one) => one.ids()), Float64Array.from(rows)]);
  run.figures({ ids, twice, inRows: rows.length, processes: makers + replicaCount, ...counts, failed: failures.length, seconds });
  assert.deepEqual(failures.slice(0, 5), []);
  assert.equal(twice, 0, 'an id was given twice');
  assert.ok(ids >= wanted && rows.length > 0, `only ${ids} ids, ${rows.length} in rows`);
  assert.ok(least > 0 && most <= Number.MAX_SAFE_INTEGER, `${least}..${most}`);
});
