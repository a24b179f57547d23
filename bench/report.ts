// The results, as a table for people or as JSON.
import { cpus, totalmem } from 'node:os';
import type { Options } from './options.ts';
import { program } from './postgres.ts';
import { commandOutput } from './process.ts';

export interface Machine {
  startMs: number;
  idleMb: number;
  busyMb: number; // after all scenarios
}

export interface Row {
  name: string;
  title: string;
  connections: number;
  errors: number;
  rate: number; // requests a second
  p50: number; // ms
  p99: number;
  serverMs: number; // CPU a request
  databaseMs: number;
  pgbench: number; // the same SQL, transactions a second
  pgbenchMs: number; // database CPU a transaction
  pgbenchPart?: number; // the same SQL without its count, or without the key of the request
  pgbenchPartMs?: number;
}

// One build in one kind of measurement.
export interface Sample {
  rate: number;
  p50: number;
  p99: number;
  errors: number;
  serverMs: number;
  databaseMs: number;
}

export interface Comparison {
  title: string;
  connections: number;
  mine: Sample;
  theirs: Sample;
}

const digits = (value: number) =>
  value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toFixed(value < 10 ? 2 : 1);

// A table with its columns aligned; the first one to the left.
export function markdown(head: string[], cells: string[][]): string {
  const widths = head.map((name, i) => Math.max(name.length, ...cells.map((row) => row[i]!.length)));
  const line = (row: string[]) =>
    `| ${row.map((cell, i) => (i ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i ? `${'-'.repeat(width + 1)}:` : '-'.repeat(width + 2))).join('|')}|`;
  return [line(head), rule, ...cells.map(line)].join('\n');
}

function table(rows: Row[]): string {
  const head = [
    'scenario', 'conn.', 'req/s', 'pgbench tps', 'pgbench/req', 'part tps', 'part/req',
    'server CPU ms', 'db CPU ms', 'db CPU ms, pgbench', 'db CPU ms, part', 'p50 ms', 'p99 ms', 'errors',
  ];
  const cells = rows.map((row) => [
    row.title, String(row.connections), digits(row.rate), digits(row.pgbench),
    digits(row.pgbench / row.rate), row.pgbenchPart === undefined ? '' : digits(row.pgbenchPart),
    row.pgbenchPart === undefined ? '' : digits(row.pgbenchPart / row.rate),
    row.serverMs.toFixed(3), row.databaseMs.toFixed(3), row.pgbenchMs.toFixed(3),
    row.pgbenchPartMs === undefined ? '' : row.pgbenchPartMs.toFixed(3),
    digits(row.p50), digits(row.p99), String(row.errors),
  ]);
  return markdown(head, cells);
}

function aboutThis(options: Options) {
  return {
    cpu: cpus()[0]?.model ?? '',
    cpus: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    postgres: commandOutput(program('postgres'), ['--version']),
    halcyon: commandOutput(options.binary, ['version']),
    fsync: options.fsync,
    seconds: options.seconds,
    rounds: options.rounds,
    orders: options.orders,
    customers: options.customers,
  };
}

const heading = (about: ReturnType<typeof aboutThis>) =>
  `${about.halcyon}; ${about.postgres}, fsync ${about.fsync ? 'on' : 'off'}; ` +
  `${about.cpus} x ${about.cpu}, ${about.memoryGb} GB\n` +
  `Median of ${about.rounds} rounds of ${about.seconds} s; ` +
  `${about.orders} orders, ${about.customers} customers\n`;

export function print(rows: Row[], machine: Machine, options: Options): void {
  const about = aboutThis(options);
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ about, machine, rows }, null, 2)}\n`);
    return;
  }
  process.stdout.write(
    `${heading(about)}\n${table(rows)}\n\n` +
      `Start on a migrated database: ${machine.startMs.toFixed(0)} ms; resident memory ` +
      `${machine.idleMb.toFixed(0)} MB idle, ${machine.busyMb.toFixed(0)} MB after the load\n`,
  );
}

export function printComparison(rows: Comparison[], options: Options): void {
  const about = aboutThis(options);
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ about, against: options.against, rows }, null, 2)}\n`);
    return;
  }
  const head = [
    'scenario', 'conn.', 'req/s', 'other req/s', 'req/other', 'server CPU ms', 'other', 'db CPU ms', 'other',
    'p99 ms', 'other', 'errors',
  ];
  const cells = rows.map(({ title, connections, mine, theirs }) => [
    title, String(connections), digits(mine.rate), digits(theirs.rate), digits(mine.rate / theirs.rate),
    mine.serverMs.toFixed(3), theirs.serverMs.toFixed(3), mine.databaseMs.toFixed(3), theirs.databaseMs.toFixed(3),
    digits(mine.p99), digits(theirs.p99), String(mine.errors + theirs.errors),
  ]);
  process.stdout.write(`${heading(about)}other: ${options.against}\n\n${markdown(head, cells)}\n`);
}
