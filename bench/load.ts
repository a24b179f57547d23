// The two load generators: wrk on the server, pgbench on the database.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { program, type Statement } from './postgres.ts';
import { run } from './process.ts';
import { example, type Varying, type Variant } from './scenarios.ts';

export interface HttpLoad {
  requests: number;
  seconds: number;
  p50: number; // ms
  p99: number;
  errors: number; // answers of 400 and above, and broken connections
}

// A Lua string that may hold anything.
const lua = (text: string) =>
  `"${[...Buffer.from(text)].map((byte) => `\\${String(byte).padStart(3, '0')}`).join('')}"`;

function luaTemplate(text: string, varying: Varying[]): string {
  const pieces = text.split(/\{(\d)\}/);
  return pieces
    .map((piece, index) => {
      const one = index % 2 ? varying[Number(piece)] : undefined;
      return one ? `math.random(${one.from}, ${one.to})` : lua(piece);
    })
    .join(' .. ');
}

export function wrkScript(variants: Variant[], token: string): string {
  const makers = variants.map(({ method, path, body, varying, named }) => {
    const bodyText = body === undefined ? 'nil' : luaTemplate(body, varying);
    const url = luaTemplate(`/api/${path}`, varying);
    return `  function() return wrk.format("${method}", ${url}, ${named ? 'named()' : 'nil'}, ${bodyText}) end,\n`;
  });
  return `
wrk.headers["Authorization"] = ${lua(`Bearer ${token}`)}
wrk.headers["Content-Type"] = ${variants.some((v) => v.body) ? '"application/json"' : 'nil'}
local first, count, headers = os.time(), 0, {}
local function named()
  if count == 0 then for name, value in pairs(wrk.headers) do headers[name] = value end end
  count = count + 1
  headers["Idempotency-Key"] = "bench-" .. first .. "-" .. count
  return headers
end
local makers = {
${makers.join('')}}
function init(args) math.randomseed(os.time()) end
function request() return makers[math.random(#makers)]() end
function done(summary, latency, requests)
  local e = summary.errors
  print(string.format('RESULT {"requests":%d,"seconds":%f,"p50":%f,"p99":%f,"errors":%d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.status + e.timeout))
end
`;
}

export async function wrk(
  origin: string,
  script: string,
  connections: number,
  seconds: number,
): Promise<HttpLoad> {
  const output = await run('wrk', [
    '-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '30s', '-s', script, origin,
  ]);
  const line = /^RESULT (.*)$/m.exec(output);
  if (!line?.[1]) throw new Error(`wrk said nothing to read: ${output}`);
  return JSON.parse(line[1]) as HttpLoad;
}

export interface PgbenchScript {
  files: string[];
  constants: string[]; // options that define the values that stay the same
}

/** The row that makes a write happen once. */
export const isKey = ({ sql }: Statement) => /^INSERT INTO (\S+\.)?"halcyon_requests"/.test(sql);

// A pgbench script of statements that the server sent. Values that equal a varying example are drawn
// anew each time, values that equal the new row's id come from the INSERT's answer, others are
// constant parameters: all stay parameters of a prepared statement, as on the server. Only the key of
// a request is made by the database, since pgbench has no texts that vary.
export function pgbenchScript(
  captured: Statement[],
  varying: Varying[],
  newId: string | undefined,
  prefix: string,
): { text: string; constants: string[] } {
  const lines = varying.map((one, i) => `\\set ${prefix}v${i} random(${one.from}, ${one.to})`);
  const constants: string[] = [];
  let idIsKnown = false;
  let count = 0;
  const variable = (value: string | null): string => {
    const index = varying.findIndex((one) => String(one.example) === value);
    if (index >= 0) return `:${prefix}v${index}`;
    if (idIsKnown && value === newId) return `:${prefix}new_id`;
    if (value === null) return 'NULL';
    const name = `${prefix}c${count++}`;
    constants.push('-D', `${name}=${value}`);
    return `:${name}`;
  };
  for (const statement of captured) {
    const { sql, values } = statement;
    const key = isKey(statement) ? values.findIndex((value) => /^[0-9a-f]{32}$/.test(value ?? '')) : -1;
    if (key >= 0) lines.push(`\\set ${prefix}key random(1, 1000000000000000)`);
    const text = sql.replace(/(THEN )?\$(\d+)/g, (_, then: string | undefined, n: string) => {
      const value = values[Number(n) - 1] ?? null;
      if (Number(n) - 1 === key) return `${then ?? ''}md5(CAST(:${prefix}key AS text))`;
      // pgbench tells no types, and a CASE of unknown ones is text.
      if (then && /^\d+$/.test(value ?? '')) return `THEN CAST(${variable(value)} AS bigint)`;
      return (then ?? '') + variable(value);
    });
    const returnsId = newId !== undefined && /^INSERT .* RETURNING "id"/.test(sql);
    lines.push(returnsId ? `${text} \\gset ${prefix}new_` : `${text};`);
    if (returnsId) {
      // \gset names variables after columns: new_id.
      idIsKnown = true;
    }
  }
  return { text: `${lines.join('\n')}\n`, constants };
}

export function writePgbench(
  folder: string,
  name: string,
  variants: { statements: Statement[]; varying: Varying[]; newId?: string }[],
): PgbenchScript {
  const files: string[] = [];
  const constants: string[] = [];
  variants.forEach(({ statements, varying, newId }, i) => {
    const made = pgbenchScript(statements, varying, newId, `s${i}_`);
    const path = join(folder, `${name}-${i}.sql`);
    writeFileSync(path, made.text, { mode: 0o644 });
    files.push(path);
    constants.push(...made.constants);
  });
  return { files, constants };
}

export async function pgbench(
  environment: Record<string, string>,
  script: PgbenchScript,
  connections: number,
  seconds: number,
): Promise<{ perSecond: number; transactions: number }> {
  const output = await run(
    program('pgbench'),
    [
      '-n', '-M', 'prepared', '-j1', `-c${connections}`, `-T${seconds}`,
      ...script.constants, ...script.files.flatMap((file) => ['-f', file]),
    ],
    { env: environment },
  );
  const rate = /tps = ([\d.]+) \(without initial/.exec(output);
  const total = /transactions actually processed: (\d+)/.exec(output);
  const failed = /failed transactions: (\d+)/.exec(output);
  if (!rate || !total || Number(failed?.[1] ?? 0) > 0) throw new Error(`pgbench: ${output}`);
  return { perSecond: Number(rate[1]), transactions: Number(total[1]) };
}

export const requestOf = (variant: Variant) => ({
  method: variant.method,
  path: example(variant.path, variant.varying),
  body: variant.body === undefined ? undefined : example(variant.body, variant.varying),
});
