// A network namespace for one replica, with one cable to the database and one to everybody else, so
// that the first can be cut alone. Needs root, and in a container CAP_NET_ADMIN.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { command, type Scope } from './scope.ts';

const ip = (...args: string[]) => command('ip', args);

/**
 * 'down': our end of the cable loses its link. 'silent': packets vanish, and nobody is told.
 * 'reset': every connection is reset, and so is whoever tries to connect.
 */
export type Cut = 'down' | 'silent' | 'reset';

export class Network {
  private constructor(
    readonly name: string,
    readonly databaseHost: string, // the database listens here
    readonly replicaHost: string, // the replica listens here
    private cable: string, // to the database, our end
  ) {}

  /** Why there can be none here, or nothing. */
  static async missing(): Promise<string | undefined> {
    const name = `halcyon-try-${process.pid}`;
    try {
      await ip('netns', 'add', name);
    } catch (error) {
      return `no network namespaces here (they need root and CAP_NET_ADMIN): ${String(error).slice(0, 200)}`;
    }
    await ip('netns', 'delete', name);
    return undefined;
  }

  static async make(scope: Scope): Promise<Network> {
    // Names and addresses that no other test on this machine has: from our pid.
    const n = process.pid % 16_000;
    const name = `halcyon-${process.pid}`;
    const host = (part: number, which: number) => `10.${200 + part}.${n >> 6}.${((n & 63) << 2) + which}`;
    writeFileSync(join(scope.folder, `${name}.netns`), ''); // for the reaper
    await ip('netns', 'add', name);
    // Its ends of the cables go with it, and ours with them.
    scope.defer(() => ip('netns', 'delete', name));
    await ip('-n', name, 'link', 'set', 'lo', 'up');
    for (const part of [0, 1]) {
      const ours = `hc${part}-${process.pid}`;
      await ip('link', 'add', ours, 'type', 'veth', 'peer', 'name', `eth${part}`, 'netns', name);
      await ip('addr', 'add', `${host(part, 1)}/30`, 'dev', ours);
      await ip('link', 'set', ours, 'up');
      await ip('-n', name, 'addr', 'add', `${host(part, 2)}/30`, 'dev', `eth${part}`);
      await ip('-n', name, 'link', 'set', `eth${part}`, 'up');
    }
    return new Network(name, host(0, 1), host(1, 2), `hc0-${process.pid}`);
  }

  /** Runs a program inside. */
  get prefix(): string[] {
    return ['ip', 'netns', 'exec', this.name];
  }

  /** Gives the way back. */
  async cut(kind: Cut): Promise<() => Promise<unknown>> {
    const inside = ['-n', this.name];
    if (kind === 'down') {
      await ip('link', 'set', this.cable, 'down');
      return () => ip('link', 'set', this.cable, 'up');
    }
    if (kind === 'reset') {
      // The database's address is the namespace's own for a while, and nobody listens there.
      const route = ['local', this.databaseHost, 'dev', 'lo', 'table', 'local'];
      await ip(...inside, 'route', 'add', ...route);
      return () => ip(...inside, 'route', 'delete', ...route);
    }
    // Whoever asks for the hardware address of the other side gets a wrong one.
    const peer = this.databaseHost.replace(/\d+$/, (last) => String(Number(last) + 1));
    const mac = readFileSync(`/sys/class/net/${this.cable}/address`, 'utf8').trim();
    await ip('neigh', 'replace', peer, 'lladdr', '02:00:00:00:00:01', 'dev', this.cable, 'nud', 'permanent');
    await ip(...inside, 'neigh', 'replace', this.databaseHost, 'lladdr', '02:00:00:00:00:02', 'dev', 'eth0', 'nud', 'permanent');
    return async () => {
      await ip('neigh', 'delete', peer, 'dev', this.cable);
      await ip(...inside, 'neigh', 'replace', this.databaseHost, 'lladdr', mac, 'dev', 'eth0', 'nud', 'reachable');
    };
  }
}
