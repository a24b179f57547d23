// Everything a scenario starts, and its end: processes, folders, networks.
//
//   const scope = new Scope('killed');
//   const nginx = scope.run('nginx', 'nginx', ['-c', file]);
//   ...
//   await scope.close();   // ends the processes by pid, newest first, and removes the folder
//
// Children get SIGKILL from the kernel should this process die (setpriv --pdeathsig); what
// outlives even that, such as a PostgreSQL that Patroni started, a small reaper ends.
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { closeSync, chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** What no further waiting can mend; ends `until` at once. */
export class Stopped extends Error {}

/** Polls until `check` gives something true; a failing check counts as "not yet". */
export async function until<T>(what: string, ms: number, check: () => Promise<T> | T, every = 50): Promise<NonNullable<T>> {
  const end = performance.now() + ms;
  let last: unknown;
  for (;;) {
    try {
      const value = await check();
      if (value) return value as NonNullable<T>;
    } catch (error) {
      if (error instanceof Stopped) throw error;
      last = error;
    }
    if (performance.now() > end) throw new Error(`${what}: not within ${ms} ms${last ? ` (${String(last).slice(0, 500)})` : ''}`);
    await pause(every);
  }
}

/**
 * A free loopback port outside the range the kernel takes for outgoing connections, so that it stays free. Test files
 * that run side by side take theirs from different hundreds.
 */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (;;) {
    const port = 10_000 + (process.pid % 100) * 200 + Math.floor(Math.random() * 200);
    if (given.has(port)) continue;
    const probe = createServer();
    const free = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false));
      probe.listen(port, host, () => probe.close(() => resolve(true)));
    });
    if (!free) continue;
    given.add(port);
    return port;
  }
}
const given = new Set<number>();

export function command(name: string, args: string[], env: Record<string, string> = {}, ms = 20_000): Promise<string> {
  return new Promise((resolve, reject) =>
    execFile(name, args, { env: { ...process.env, ...env }, timeout: ms, maxBuffer: 1 << 28 }, (error, stdout, stderr) =>
      error ? reject(new Error(`${name} ${args.join(' ').slice(0, 300)}: ${stderr || error.message}`)) : resolve(stdout),
    ),
  );
}

interface RunOptions {
  env?: Record<string, string>;
  cwd?: string;
  user?: string; // run as this user when we are root
  prefix?: string[]; // e.g. ip netns exec NAME
}

/** One process, started by us and ended by its pid. */
export class Managed {
  readonly exited: Promise<number | string>;
  ended = false;
  constructor(
    readonly name: string,
    readonly child: ChildProcess,
    readonly logFile: string,
  ) {
    this.exited = new Promise((resolve) => {
      const done = (how: number | string) => {
        this.ended = true;
        resolve(how);
      };
      child.once('exit', (code, signal) => done(signal ?? code ?? 0));
      child.once('error', (error) => done(String(error)));
    });
  }
  get pid(): number {
    return this.child.pid!;
  }
  get log(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
  }
  signal(signal: NodeJS.Signals): void {
    if (!this.ended) this.child.kill(signal);
  }
  /** SIGSTOP, and waits until no thread runs any more: on a busy machine that takes a while. */
  async suspend(): Promise<void> {
    this.signal('SIGSTOP');
    const tasks = `/proc/${this.pid}/task`;
    const stopped = (task: string) => /\) [TtZX] /.test(readFileSync(`${tasks}/${task}/stat`, 'utf8'));
    await until(`${this.name} is suspended`, 30_000, () => readdirSync(tasks).every(stopped), 2);
  }
  resume(): void {
    this.signal('SIGCONT');
  }
  /** Sends the signal and waits; SIGKILL when that takes longer than `ms`. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', ms = 10_000): Promise<number | string> {
    if (!this.ended) {
      this.signal('SIGCONT');
      this.signal(signal);
      const timer = setTimeout(() => this.signal('SIGKILL'), ms);
      await this.exited;
      clearTimeout(timer);
    }
    return this.exited;
  }
}

const open = new Set<Scope>();
process.once('exit', () => open.forEach((scope) => scope.abandon()));
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));

export class Scope {
  readonly folder: string;
  private undo: (() => Promise<unknown> | unknown)[] = [];
  private processes = new Set<Managed>();
  private reaper: ChildProcess;
  private runs = 0;

  constructor(name: string) {
    this.folder = mkdtempSync(join(tmpdir(), `halcyon-${name}-`));
    chmodSync(this.folder, 0o755);
    open.add(this);
    // Ends a database whose postmaster.pid is left, when our end of its stdin closes before "done".
    const script = `read -r word; [ "$word" = done ] && exit 0
      for f in "$1"/*/data/postmaster.pid; do [ -e "$f" ] && kill -QUIT "$(head -n 1 "$f")"; done
      for n in "$1"/*.netns; do [ -e "$n" ] && ip netns delete "$(basename "$n" .netns)"; done
      for n in 1 2 3 4 5 6 7 8 9; do sleep 1; rm -rf "$1" 2>/dev/null && break; done`;
    this.reaper = spawn('sh', ['-c', script, 'reaper', this.folder], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    this.reaper.unref();
    (this.reaper.stdin as unknown as { unref(): void }).unref();
  }

  /** A folder below the scenario's, owned by `user` when we are root. */
  makeFolder(name: string, user?: string): string {
    const path = join(this.folder, name);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    if (user && process.getuid!() === 0) chownSync(path, Number(id('-u', user)), Number(id('-g', user)));
    return path;
  }

  defer(step: () => Promise<unknown> | unknown): void {
    this.undo.push(step);
  }

  run(name: string, program: string, args: string[], options: RunOptions = {}): Managed {
    const logFile = join(this.folder, `${name}.log`);
    const log = openSync(logFile, 'a');
    const asUser = options.user && process.getuid!() === 0 ? ['--reuid', options.user, '--regid', id('-g', options.user), '--clear-groups'] : [];
    // A library that is loaded first is for the program only: what it makes must be of the same user.
    const { LD_PRELOAD: preload, ...rest } = options.env ?? {};
    const own = preload ? ['env', `LD_PRELOAD=${preload}`] : [];
    const words = [...(options.prefix ?? []), 'setpriv', ...asUser, '--pdeathsig', 'KILL', ...own, program, ...args];
    const env = { PATH: process.env.PATH ?? '', LANG: 'C.UTF-8', ...rest };
    const child = spawn(words[0], words.slice(1), { cwd: options.cwd ?? this.folder, env, stdio: ['ignore', log, log] });
    closeSync(log);
    const managed = new Managed(`${name}#${++this.runs}`, child, logFile);
    this.processes.add(managed);
    void managed.exited.then(() => this.processes.delete(managed));
    return managed;
  }

  /** Runs a program to its end as `user` (databases refuse root). */
  async once(user: string | undefined, program: string, args: string[], ms = 60_000): Promise<string> {
    if (!user || process.getuid!() !== 0) return command(program, args, {}, ms);
    return command('setpriv', ['--reuid', user, '--regid', id('-g', user), '--clear-groups', program, ...args], {}, ms);
  }

  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const step of this.undo.reverse()) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    await Promise.all([...this.processes].reverse().map((one) => one.stop('SIGTERM', 5_000)));
    this.reaper.stdin!.write('done\n');
    open.delete(this);
    if (process.env.CLUSTER_KEEP === '1') console.log(`kept ${this.folder}`);
    else rmSync(this.folder, { recursive: true, force: true });
    if (failures.length > 0) throw failures[0];
  }

  /** At the end of this process, whatever the reason; nothing may be waited for. */
  abandon(): void {
    for (const one of this.processes) {
      one.signal('SIGCONT');
      one.signal('SIGKILL');
    }
  }
}

function id(flag: '-u' | '-g', user: string): string {
  return execFileSync('id', [flag, user]).toString().trim();
}

/** The user servers run as that refuse root. */
export function unprivileged(name: 'postgres' | 'mysql'): string {
  try {
    execFileSync('id', [name], { stdio: 'ignore' });
    return name;
  } catch {
    return 'nobody';
  }
}
