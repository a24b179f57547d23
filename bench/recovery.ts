// How long clients notice that a part died: the scenarios of tests/cluster that kill one, with the
// figures of recovery as a table. Their checker also says whether anything failed or was lost.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Options } from './options.ts';
import { markdown } from './report.ts';
import { progress, type CleanUp } from './shared.ts';

const kFiles = ['01-killed-replicas', '04-failover', '05-database-restarts', '06-network-cut'];

type Figure = number | number[] | Record<string, number[]>;
type Report = Record<string, Figure> & { scenario: string };

// Milliseconds of what happened several times: the median, and the longest.
function span(figure: Figure | undefined): string {
  if (figure === undefined) return '';
  if (typeof figure === 'object' && !Array.isArray(figure)) {
    return Object.entries(figure).map(([name, values]) => `${name}: ${span(values)}`).join('; ');
  }
  const values = [figure].flat().sort((a, b) => a - b);
  const words = (value: number | undefined) => Math.round(value ?? NaN).toLocaleString('en-US');
  if (values.length < 2) return words(values[0]);
  return `${words(values[values.length >> 1])} (at most ${words(values.at(-1))})`;
}

// What each scenario calls the time until the part serves again, and until clients do.
const served = (one: Report) => [
  span(one.newPrimaryAfter ?? one.away ?? one.unreadyAfter ?? one.readyAgain),
  [one.recovery, one.recoveryAfterKill, one.recoveryAfterSwitchover, one.readyAfter]
    .filter((figure) => figure !== undefined).map(span).join('; '),
];

export async function measureRecovery(options: Options, folder: string, cleanUp: CleanUp, tests: string): Promise<void> {
  const report = join(folder, 'recovery.json');
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', '--test', '--test-concurrency=1', ...kFiles.map((file) => `cluster/${file}.test.ts`)],
    {
      cwd: tests,
      env: { ...process.env, HALCYON_BINARY: options.binary, CLUSTER_REPORT: report },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  cleanUp.add(() => void child.kill());
  let log = '';
  child.stdout.on('data', (text: Buffer) => {
    log += String(text);
    for (const line of String(text).split('\n')) if (/failed=\d/.test(line)) progress(line);
  });
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0 || !existsSync(report)) throw new Error(`the scenarios failed:\n${log.slice(-4000)}`);
  const rows = readFileSync(report, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Report);
  if (options.json) {
    process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
    return;
  }
  const cells = rows.map((one) => [
    one.scenario, String(one.requests), `${one.failed} / ${one.lost} / ${one.twice}`, ...served(one),
    span(one.stall), span(one.p99), span(one.longest),
  ]);
  const head = [
    'scenario', 'requests', 'failed / lost / twice', 'part away ms', 'then first success ms',
    'longest without a success ms', 'p99 ms', 'longest request ms',
  ];
  process.stdout.write(`${markdown(head, cells)}\n`);
}
