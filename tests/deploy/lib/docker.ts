// A Docker engine and the images under test.
//
//   await prepareDocker();                       // starts dockerd unless an engine answers; builds the images
//   const stack = new Stack(scope, 'ha/compose.yml', { APP_KEY: ... });
//   await stack.up();
//
// Where no registry is reachable the base image is made with debootstrap. HALCYON_BINARY names a program that is
// put into the image instead of being compiled there; DEPLOY_COMPILE=1 compiles; DEPLOY_KEEP=1 takes the images that are there.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command, type Scope, until } from '../../cluster/lib/scope.ts';

export const root = fileURLToPath(new URL('../../..', import.meta.url));
export const version = /^project\(halcyon VERSION ([0-9.]+)/m.exec(readFileSync(join(root, 'CMakeLists.txt'), 'utf8'))![1];
const folder = process.env.DEPLOY_FOLDER ?? join(root, 'build/deploy');
const base = process.env.DEPLOY_BASE_IMAGE ?? 'halcyon-base:bookworm';
let engine: ChildProcess | undefined;
process.once('exit', () => engine?.kill('SIGTERM'));

export function docker(...args: string[]): Promise<string> {
  return command('docker', args, {}, 600_000);
}

const answers = () =>
  command('docker', ['info', '-f', '{{.ServerVersion}}'], {}, 10_000).then(
    (text) => text.trim() !== '',
    () => false,
  );

/** Ends the engine that `prepareDocker` started, and waits for it. */
export async function stopDocker(): Promise<void> {
  if (!engine) return;
  const gone = new Promise((resolve) => engine!.once('exit', resolve));
  engine.kill('SIGTERM');
  await gone;
  engine = undefined;
}

async function startDocker(): Promise<void> {
  if (await answers()) return;
  if (process.getuid!() !== 0) throw new Error('no Docker engine answers, and only root can start one');
  mkdirSync(folder, { recursive: true });
  const socket = `unix://${join(folder, 'docker.sock')}`;
  const log = openSync(join(folder, 'dockerd.log'), 'a');
  const places = ['--data-root', join(folder, 'docker'), '--exec-root', join(folder, 'docker-run'), '--pidfile', join(folder, 'dockerd.pid')];
  engine = spawn('dockerd', ['-H', socket, ...places, '--mtu', '1400'], { stdio: ['ignore', log, log], detached: true });
  process.env.DOCKER_HOST = socket;
  await until('dockerd', 60_000, answers, 500);
}

const has = (image: string) =>
  docker('image', 'inspect', '-f', '{{.Id}}', image).then(
    () => true,
    () => false,
  );

function run(program: string, args: string[], environment: Record<string, string> = {}): void {
  execFileSync(program, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...environment } });
}

export async function prepareDocker(): Promise<void> {
  await startDocker();
  if (process.env.DEPLOY_KEEP === '1') return;
  if (!(await has(base))) run('deploy/docker/base', [base]);
  const how = process.env.DEPLOY_COMPILE === '1' ? [] : ['--prebuilt', process.env.HALCYON_BINARY ?? join(root, 'build/release/halcyon')];
  const log = openSync(join(root, 'build/deploy-images.log'), 'w');
  try {
    execFileSync('deploy/docker/build', ['--base', base, ...how], { cwd: root, stdio: ['ignore', log, log] });
  } catch {
    throw new Error(`the images are not built:\n${readFileSync(join(root, 'build/deploy-images.log'), 'utf8').slice(-3000)}`);
  }
}

/** Servers for the single set-ups, from Debian, that take the same variables as the images named in .env.example. */
export async function serverImage(name: 'postgres' | 'mysql' | 'mariadb'): Promise<string> {
  const image = `halcyon-test/${name}`;
  const from = name === 'mysql' ? 'halcyon-base:sid' : base; // MySQL itself is in Debian's unstable suite only
  if (!(await has(from))) run('deploy/docker/base', [from], { SUITE: 'sid' });
  await command('docker', ['build', '-q', '--target', name, '--build-arg', `BASE_IMAGE=${from}`, '-t', image, join(root, 'tests/deploy/images')], { DOCKER_BUILDKIT: '1' }, 590_000);
  return image;
}

const compose = (() => {
  try {
    execFileSync('docker', ['compose', 'version'], { stdio: 'ignore' });
    return ['docker', 'compose'];
  } catch {
    return ['docker-compose'];
  }
})();

export class Stack {
  private arguments: string[];

  constructor(
    scope: Scope,
    readonly name: string,
    file: string,
    settings: Record<string, string>,
  ) {
    const environment = join(scope.folder, `${name}.env`);
    writeFileSync(environment, Object.entries(settings).map(([key, value]) => `${key}=${value}\n`).join(''));
    this.arguments = [...compose.slice(1), '-p', name, '--env-file', environment, '-f', join(root, 'deploy/compose', file)];
    scope.defer(async () => {
      if (process.env.CLUSTER_KEEP !== '1') await this.compose('down', '-v', '--remove-orphans', '-t', '5');
    });
  }

  compose(...args: string[]): Promise<string> {
    return command(compose[0], [...this.arguments, ...args], {}, 400_000);
  }
  async up(...args: string[]): Promise<void> {
    try {
      await this.compose('up', '-d', ...args);
    } catch (error) {
      throw new Error(`${String(error).slice(0, 2000)}\n${(await this.compose('logs', '--tail', '20')).slice(-6000)}`);
    }
  }
  /** Ids of a service's containers that run. */
  async containers(service: string): Promise<string[]> {
    const found = (await this.compose('ps', '-q', service)).split('\n').filter((id) => id !== '');
    const running = await Promise.all(found.map(async (id) => (await inspect(id, '{{.State.Running}}').catch(() => 'false')) === 'true'));
    return found.filter((_, n) => running[n]);
  }
  /** As if its processes had crashed: `docker kill` would count as a stop by hand, after which nothing is restarted. */
  async crash(container: string): Promise<void> {
    process.kill(Number(await inspect(container, '{{.State.Pid}}')), 'SIGKILL');
  }
  async healthy(service: string, count: number, ms = 120_000): Promise<void> {
    await until(`${count} healthy containers of ${service}`, ms, async () => {
      const ids = await this.containers(service);
      if (ids.length !== count) return false;
      const states = await Promise.all(ids.map((id) => inspect(id, '{{.State.Health.Status}}')));
      return states.every((state) => state === 'healthy');
    }, 500);
  }
}

export async function inspect(id: string, format: string): Promise<string> {
  return (await docker('inspect', '-f', format, id)).trim();
}

export const installed = existsSync('/usr/sbin/dockerd') || existsSync('/usr/bin/dockerd');
