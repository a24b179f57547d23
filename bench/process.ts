// Child processes of the benchmark, and what /proc says of them.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';

// Linux counts CPU time in /proc in this many ticks a second, whatever the kernel's own tick.
const kTicksPerSecond = 100;

export const sleep = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

// Runs to the end and returns what it printed; throws with its errors when it fails. Does not block,
// so that signals are handled while it runs.
export function run(
  command: string,
  args: string[],
  options: { env?: NodeJS.ProcessEnv; input?: string; cwd?: string } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: { ...process.env, ...options.env }, cwd: options.cwd });
    let output = '';
    let errors = '';
    child.stdout.on('data', (data: Buffer) => (output += data.toString()));
    child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${command} ended with ${code}: ${errors.trim().slice(-2000)}`));
    });
    child.stdin.end(options.input ?? '');
  });
}

export const hasEnded = (child: ChildProcess) =>
  child.exitCode !== null || child.signalCode !== null;

export async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (hasEnded(child)) return;
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  child.kill(signal);
  const killer = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await ended;
  clearTimeout(killer);
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

interface Stat {
  parent: number;
  own: number; // seconds of CPU
  reaped: number; // seconds of CPU of children that ended
}

function stat(pid: number): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // it ended
  }
  // The name, in brackets, may hold anything; fields from the third on follow its last bracket.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ').map(Number);
  const ticks = (from: number) => ((fields[from] ?? 0) + (fields[from + 1] ?? 0)) / kTicksPerSecond;
  return { parent: fields[1] ?? 0, own: ticks(11), reaped: ticks(13) };
}

// CPU seconds of a process and all below it, those that ended included.
export function cpuSeconds(root: number): number {
  const children = new Map<number, number[]>();
  const stats = new Map<number, Stat>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const one = Number.isInteger(pid) ? stat(pid) : undefined;
    if (!one) continue;
    stats.set(pid, one);
    children.set(one.parent, [...(children.get(one.parent) ?? []), pid]);
  }
  const sum = (pid: number): number => {
    const one = stats.get(pid);
    if (!one) return 0;
    return (children.get(pid) ?? []).reduce((all, child) => all + sum(child), one.own + one.reaped);
  };
  return sum(root);
}

export function residentMegabytes(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(match?.[1] ?? 0) / 1024;
}

export function commandOutput(command: string, args: string[]): string {
  return (spawnSync(command, args, { encoding: 'utf8' }).stdout ?? '').trim();
}
