// Loads airports and flights (npm package vega-datasets) through the public API, and answers three
// questions on them. Stopped and started again, it goes on where it was: flights carry a number.
import { decompress } from 'fzstd';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

const usage = `usage: script/demo [options]

Loads real data into a running server through its API: 3,376 airports and 20,000 flights.

  --url URL         the server (http://localhost:13000)
  --user NAME       an administrator (nocobase)
  --password TEXT   its password (admin123)
  --full            three million flights instead of 20,000
  --limit N         stop after N flights
  --json            one JSON object at the end, no progress bar
  --help`;

interface Flight {
  date: string;
  delay: number;
  distance: number;
  origin: string;
  destination: string;
}
type Row = Record<string, any>;

const { values: options } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://localhost:13000' },
    user: { type: 'string', default: 'nocobase' },
    password: { type: 'string', default: 'admin123' },
    full: { type: 'boolean', default: false },
    limit: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (options.help) {
  console.log(usage);
  process.exit(0);
}

const folder = join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '..', 'data');
const batch = 1000;
let token = '';

async function call(path: string, body?: unknown): Promise<any> {
  const response = await fetch(`${options.url}/api/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = (await response.json()) as Row;
  if (!response.ok) throw new Error(answer.errors?.[0]?.message ?? response.statusText);
  return answer.data;
}

function progress(name: string, done: number, total: number, started: number): void {
  if (options.json) return;
  const width = 40;
  const filled = Math.round((width * done) / Math.max(total, 1));
  const rate = Math.round(done / Math.max((Date.now() - started) / 1000, 0.001));
  const line = `${name.padEnd(9)} [${'#'.repeat(filled)}${' '.repeat(width - filled)}] ${done.toLocaleString('en')}/${total.toLocaleString('en')}  ${rate.toLocaleString('en')}/s`;
  if (process.stderr.isTTY) process.stderr.write(`\r${line}${done >= total ? '\n' : ''}`);
  else if (done >= total) process.stderr.write(`${line}\n`);
}

async function makeCollections(): Promise<void> {
  const text = (name: string, title: string) => ({ name, type: 'string', interface: 'input', uiSchema: { title } });
  const number = (name: string, title: string, type = 'integer') => ({ name, type, interface: 'number', uiSchema: { title } });
  const existing: Row[] = await call('collections:list?paginate=false');
  const has = (name: string) => existing.some((one) => one.name === name);
  if (!has('airports')) {
    await call('collections:create', {
      name: 'airports',
      title: 'Airports',
      autoGenId: false,
      titleField: 'name',
      fields: [
        { ...text('iata', 'IATA code'), primaryKey: true, allowNull: false },
        text('name', 'Name'),
        text('city', 'City'),
        text('state', 'State'),
        text('country', 'Country'),
        number('latitude', 'Latitude', 'double'),
        number('longitude', 'Longitude', 'double'),
      ],
    });
  }
  if (!has('flights')) {
    const airport = (name: string, title: string) => ({
      name,
      type: 'belongsTo',
      interface: 'm2o',
      target: 'airports',
      targetKey: 'iata',
      foreignKey: `${name}Iata`,
      uiSchema: { title },
    });
    await call('collections:create', {
      name: 'flights',
      title: 'Flights',
      fields: [
        { ...number('no', 'Number', 'bigInt'), unique: true },
        { name: 'date', type: 'datetimeNoTz', interface: 'datetimeNoTz', uiSchema: { title: 'Departure' } },
        number('delay', 'Delay (minutes)'),
        number('distance', 'Distance (miles)'),
        airport('origin', 'From'),
        airport('destination', 'To'),
      ],
    });
  }
}

async function loadAirports(): Promise<number> {
  const lines = readFileSync(join(folder, 'airports.csv'), 'utf8').trim().split(/\r?\n/);
  const names = lines[0].split(',');
  const rows = lines.slice(1).map((line) => {
    // Fields with commas are quoted; quotes inside are doubled.
    const cells = [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map((m) => (m[1] ?? m[2] ?? '').replaceAll('""', '"'));
    const row: Row = Object.fromEntries(names.map((name, i) => [name, cells[i] ?? '']));
    return { ...row, latitude: Number(row.latitude), longitude: Number(row.longitude) };
  });
  const known = new Set(((await call('airports:list?paginate=false&fields=iata')) as Row[]).map((row) => row.iata));
  const missing = rows.filter((row) => !known.has((row as Row).iata));
  const started = Date.now();
  for (let at = 0; at < missing.length; at += batch) {
    await call('airports:create', missing.slice(at, at + batch));
    progress('airports', Math.min(at + batch, missing.length), missing.length, started);
  }
  return rows.length;
}

/** How many flights there are, and a reader for a stretch of them. */
async function source(): Promise<{ total: number; read: (from: number, to: number) => Promise<Flight[]> }> {
  if (!options.full) {
    const flights = JSON.parse(readFileSync(join(folder, 'flights-20k.json'), 'utf8')) as Flight[];
    return { total: flights.length, read: async (from, to) => flights.slice(from, to) };
  }
  const file = await asyncBufferFromFile(join(folder, 'flights-3m.parquet'));
  const metadata = await parquetMetadataAsync(file);
  const compressors = { ZSTD: (input: Uint8Array) => decompress(input) };
  // A stretch of the file is decoded once and handed out in batches.
  let held = { from: 0, rows: [] as Flight[] };
  const read = async (from: number, to: number): Promise<Flight[]> => {
    if (from < held.from || to > held.from + held.rows.length) {
      const rowEnd = Math.min(from + 100 * batch, Number(metadata.num_rows));
      const rows = (await parquetReadObjects({ file, metadata, compressors, rowStart: from, rowEnd })) as Row[];
      held = { from, rows: rows.map((row) => ({ ...row, date: isoOf(row.date), delay: Number(row.delay), distance: Number(row.distance) }) as Flight) };
    }
    return held.rows.slice(from - held.from, to - held.from);
  };
  return { total: Number(metadata.num_rows), read };
}

/** A parquet time (a Date, or a number of ms, µs or ns since 1970) as text. */
function isoOf(value: unknown): string {
  if (value instanceof Date) return value.toISOString().slice(0, 19).replace('T', ' ');
  let ms = Number(value);
  while (Math.abs(ms) > 1e14) ms /= 1000;
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
}

async function loadFlights(): Promise<{ total: number; made: number; perSecond: number }> {
  const { total: all, read } = await source();
  const total = options.limit === undefined ? all : Math.min(all, Number(options.limit));
  const [last] = (await call('flights:list?sort=-no&pageSize=1&fields=no')) as Row[];
  const begin = last ? Number(last.no) + 1 : 0;
  const started = Date.now();
  for (let at = begin; at < total; at += batch) {
    const end = Math.min(at + batch, total);
    const flights = await read(at, end);
    const rows = flights.map((flight, i) => ({
      no: at + i,
      date: flight.date.replaceAll('/', '-').padEnd(19, ':00'),
      delay: flight.delay,
      distance: flight.distance,
      originIata: flight.origin,
      destinationIata: flight.destination,
    }));
    await call('flights:create', rows);
    progress('flights', end - begin, total - begin, started);
  }
  const made = Math.max(total - begin, 0);
  return { total, made, perSecond: Math.round(made / Math.max((Date.now() - started) / 1000, 0.001)) };
}

const questions = [
  {
    question: 'Which airports do most flights start from?',
    path: 'flights:query',
    body: { measures: [{ field: 'id', aggregation: 'count', alias: 'flights' }], dimensions: [{ field: 'origin.name', alias: 'airport' }], orders: [{ field: 'flights', alias: 'flights', order: 'desc' }], limit: 3 },
  },
  {
    question: 'How late are flights from Chicago to New York on average?',
    path: 'flights:query',
    body: { measures: [{ field: 'delay', aggregation: 'avg', alias: 'minutes' }, { field: 'id', aggregation: 'count', alias: 'flights' }], filter: { 'origin.city': 'Chicago', 'destination.city': 'New York' } },
  },
  {
    question: 'Which flights were the latest, and where did they go?',
    path: 'flights:list?sort=-delay&pageSize=3&fields=date,delay&appends=origin.name,destination.name&filter=' + encodeURIComponent('{"delay":{"$notEmpty":true}}'),
    body: undefined,
  },
];

async function main(): Promise<void> {
  token = (await call('auth:signIn', { account: options.user, password: options.password })).token;
  await makeCollections();
  const airports = await loadAirports();
  const flights = await loadFlights();
  const answers: Row[] = [];
  for (const { question, path, body } of questions) {
    const started = performance.now();
    const answer = await call(path, body);
    const ms = Math.round((performance.now() - started) * 10) / 10;
    answers.push({ question, ms, answer });
    if (options.json) continue;
    const json = body === undefined ? '' : ` --json '${JSON.stringify(body)}'`;
    console.log(`\n${question}  (${ms} ms)\ncurl -H "Authorization: Bearer $TOKEN" '${options.url}/api/${path}'${json}`);
    for (const row of answer) console.log(`  ${JSON.stringify(row)}`);
  }
  if (options.json) console.log(JSON.stringify({ airports, flights, answers }));
}

main().catch((error: Error) => {
  console.error(`script/demo: ${error.message}${error.cause ? ` (${String((error.cause as Error).message ?? error.cause)})` : ''}`);
  process.exit(1);
});
