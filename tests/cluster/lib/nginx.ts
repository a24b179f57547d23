// nginx in front of replicas, with the configuration that `halcyon nginx-conf` writes.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { binary, type Replica } from './replica.ts';
import { command, freePort, type Managed, pause, type Scope, Stopped, until } from './scope.ts';

export interface NginxOptions {
  requestTimeout?: number; // seconds a replica may take; after five more its request is given to another
}

export class Nginx {
  process!: Managed;
  private constructor(
    readonly folder: string,
    readonly port: number,
  ) {}

  static async start(scope: Scope, replicas: Replica[], options: NginxOptions = {}): Promise<Nginx> {
    const nginx = new Nginx(join(scope.folder, 'nginx'), await freePort());
    const config = join(scope.folder, 'nginx.conf');
    const upstreams = replicas.flatMap((one) => ['--upstream', one.address]);
    const more = ['--request-timeout', String(options.requestTimeout ?? 60), '--no-limits', '--no-ipv6'];
    await command(binary, ['nginx-conf', '--prefix', nginx.folder, '--listen', `127.0.0.1:${nginx.port}`, ...upstreams, ...more, '-o', config]);
    nginx.process = scope.run('nginx', 'nginx', ['-c', config, '-p', nginx.folder]);
    await until('nginx', 10_000, async () => {
      if (nginx.process.ended) throw new Stopped(`nginx ended: ${nginx.process.log}`);
      return (await fetch(`${nginx.url}/api/app:getInfo`, { signal: AbortSignal.timeout(1_000) })).status < 500;
    });
    scope.defer(() => nginx.process.stop('SIGTERM', 5_000));
    return nginx;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }
  /** Requests that were given to more than one replica; what its log holds, which is a second behind. */
  async triedAgain(): Promise<number> {
    await pause(1_100);
    const lines = readFileSync(join(this.folder, 'logs', 'access.log'), 'utf8').split('\n');
    return lines.filter((line) => line !== '' && String(JSON.parse(line).upstream).includes(',')).length;
  }
  /** What nginx complained of, for people. */
  get errors(): string {
    const file = join(this.folder, 'logs', 'error.log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }
}
