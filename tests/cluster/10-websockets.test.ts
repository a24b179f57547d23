// Scenario 10: thousands of WebSockets over three replicas behind nginx. A write through any replica reaches all of
// them, soon; a replica dies, and every socket that was on it comes back elsewhere and has missed nothing.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { clock, Crowd, type Report } from './lib/crowd.ts';
import { MariaDb, Postgres } from './lib/databases.ts';
import { Client, signIn } from './lib/history.ts';
import { Nginx } from './lib/nginx.ts';
import { Replica, startAll } from './lib/replica.ts';
import { long, scenario } from './lib/scenario.ts';
import { pause } from './lib/scope.ts';

// CLUSTER_SOCKETS: another number of them.
const sockets = Number(process.env.CLUSTER_SOCKETS ?? (long ? 5_000 : 300));
const kills = long ? 5 : 1;
const writesBetween = long ? 40 : 12;

const sum = (reports: Report[], of: (one: Report) => number) => reports.reduce((total, one) => total + of(one), 0);

function at(times: number[], share: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN);
}

/** Resident memory in KiB, and CPU time in ms. */
function usage(pid: number): { memory: number; cpu: number } {
  const memory = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return { memory, cpu: (Number(fields[11]) + Number(fields[12])) * 10 };
}

for (const Server of [Postgres, MariaDb]) {
  scenario(`10 ${sockets} websockets, ${Server === Postgres ? 'PostgreSQL' : 'MariaDB'}`, { limit: 180 }, async (run) => {
    const database = await Server.start(run.scope);
    const replicas: Replica[] = [];
    for (let n = 0; n < 3; n++) replicas.push(await Replica.make(run.scope, database));
    await startAll(replicas);
    const nginx = await Nginx.start(run.scope, replicas);
    const token = await signIn(nginx.url);
    const client = new Client('writer', () => nginx.url, token);
    const must = async (path: string, body: unknown) => {
      const answer = await client.call(path, 'POST', path, body);
      assert.equal(answer.status, 200, JSON.stringify(answer.body) + answer.error);
    };
    await must('collections:create', { name: 'events', fields: [{ name: 'n', type: 'integer' }, { name: 'at', type: 'double' }] });

    const idle = replicas.map((one) => usage(one.process.pid));
    const began = performance.now();
    const crowds = await Promise.all([1, 2].map(() => Crowd.start(run.scope, nginx.url, token, sockets / 2)));
    const opened = performance.now() - began;
    const connected = replicas.map((one) => usage(one.process.pid));
    const perSocket = replicas.reduce((total, _, n) => total + connected[n].memory - idle[n].memory, 0) / sockets;
    for (const [n, one] of replicas.entries()) {
      const open = await one.metric('halcyon_http_websockets');
      assert.ok(open > sockets / 6, `replica ${n} has ${open} sockets`);
    }

    let n = 0;
    const write = () => must('events:create', { n: ++n, at: clock() });
    const everyone = async (ms: number) => {
      const all = await Promise.all(crowds.map((one) => one.expect(n, ms)));
      const reports = all.every(Boolean) ? [] : await Promise.all(crowds.map((one) => one.report(n)));
      assert.ok(all.every(Boolean), `not all were told of ${n} writes: ${sum(reports, (one) => one.missing)} are missing`);
    };
    // All of them are there: how soon, and at what cost?
    const before = replicas.map((one) => usage(one.process.pid));
    const pace = long ? 500 : 150;
    for (let i = 0; i < writesBetween; i++) {
      await write();
      await pause(pace);
    }
    await everyone(20_000);
    const cpu = replicas.reduce((total, one, i) => total + usage(one.process.pid).cpu - before[i].cpu, 0);
    const perMessage = (cpu * 1000) / (sockets * writesBetween);
    const steady = (await Promise.all(crowds.map((one) => one.report(n)))).flatMap((one) => one.latencies);

    const back: number[] = [];
    for (let kill = 0; kill < kills; kill++) {
      const victim = run.random.pick(replicas);
      await victim.kill();
      const killed = performance.now();
      // Written while a third of the sockets is away, and while they come back.
      for (let i = 0; i < writesBetween; i++) {
        await write();
        await pause(100);
      }
      const open = await Promise.all(crowds.map((one) => one.allOpen(30_000)));
      assert.ok(open.every(Boolean), 'not all sockets came back');
      back.push(Math.round(performance.now() - killed));
      await victim.restart();
      await write();
      await everyone(20_000);
    }

    const reports = await Promise.all(crowds.map((one) => one.report(n)));
    const figures = {
      sockets: sum(reports, (one) => one.sockets),
      writes: n,
      messages: sum(reports, (one) => one.messages),
      missing: sum(reports, (one) => one.missing),
      repeated: sum(reports, (one) => one.repeated),
      disordered: sum(reports, (one) => one.disordered),
      resyncs: sum(reports, (one) => one.resyncs),
      breaks: sum(reports, (one) => one.breaks),
      p50: at(steady, 0.5),
      p99: at(steady, 0.99),
      longest: at(steady, 1),
      p99WithKills: at(reports.flatMap((one) => one.latencies), 0.99),
      openedMs: Math.round(opened),
      backMs: back,
      kibPerSocket: Math.round(perSocket * 10) / 10,
      cpuMicrosPerMessage: Math.round(perMessage * 10) / 10,
    };
    run.figures(figures);
    const { missing, repeated, disordered, resyncs } = figures;
    assert.deepEqual({ missing, repeated, disordered, resyncs }, { missing: 0, repeated: 0, disordered: 0, resyncs: 0 });
    assert.ok(figures.breaks >= kills * (sockets / 6), `only ${figures.breaks} sockets broke`);
    // The short form runs beside whatever else the machine does; its times are printed, and judged for sanity only.
    assert.ok(figures.p99 < (long ? 300 : 3_000), `p99 is ${figures.p99} ms`);
  });
}
