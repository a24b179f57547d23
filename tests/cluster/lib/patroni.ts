// Two PostgreSQL nodes under Patroni with one etcd, and synchronous replication: what
// docs/high-availability.md recommends, made small.
//
//   const cluster = await Patroni.start(scope);
//   const old = await cluster.leader();
//   await old.killPostgres();                    // SIGKILL of the primary's postmaster
//   const fresh = await cluster.newLeader(old);  // takes writes
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, postgresBin, psql } from './databases.ts';
import { freePort, type Managed, type Scope, Stopped, unprivileged, until } from './scope.ts';

const user = 'halcyon';
const password = 'halcyon-test';

export class Node {
  process!: Managed;
  constructor(
    private scope: Scope,
    readonly name: string,
    readonly port: number,
    readonly restPort: number,
    readonly data: string,
    private config: string,
  ) {}

  launch(): void {
    const path = `${postgresBin}:${process.env.PATH}`;
    this.process = this.scope.run(this.name, 'patroni', [this.config], { user: unprivileged('postgres'), env: { PATH: path } });
  }
  async rest(path: string, body?: unknown): Promise<any> {
    const answer = await fetch(`http://127.0.0.1:${this.restPort}${path}`, {
      method: body ? 'POST' : 'GET',
      body: body ? JSON.stringify(body) : undefined,
      signal: AbortSignal.timeout(30_000),
    });
    const text = await answer.text();
    try {
      return JSON.parse(text);
    } catch {
      return { status: answer.status, text };
    }
  }
  get postmaster(): number {
    return Number(readFileSync(join(this.data, 'postmaster.pid'), 'utf8').split('\n')[0]);
  }
  killPostgres(): void {
    process.kill(this.postmaster, 'SIGKILL');
  }
  query(sql: string, database = 'halcyon'): Promise<string[][]> {
    return psql('127.0.0.1', this.port, user, password, database, sql);
  }
  async takesWrites(): Promise<boolean> {
    return (await this.query('SELECT pg_is_in_recovery()', 'postgres'))[0][0] === 'f';
  }
}

export class Patroni implements Database {
  private constructor(readonly nodes: Node[]) {}

  static async start(scope: Scope): Promise<Patroni> {
    const owner = unprivileged('postgres');
    const etcdPort = await freePort();
    const peer = `http://127.0.0.1:${await freePort()}`;
    const client = `http://127.0.0.1:${etcdPort}`;
    const etcd = scope.run('etcd', 'etcd', [
      ...['--data-dir', scope.makeFolder('etcd'), '--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`, '--log-level', 'error'],
    ]);
    await until('etcd', 15_000, async () => {
      if (etcd.ended) throw new Stopped(`etcd ended: ${etcd.log}`);
      return (await fetch(`${client}/health`)).ok;
    });
    const nodes: Node[] = [];
    for (const name of ['node-a', 'node-b']) {
      const folder = scope.makeFolder(name, owner);
      const node = new Node(scope, name, await freePort(), await freePort(), join(folder, 'data'), join(scope.folder, `${name}.yml`));
      writeFileSync(join(scope.folder, `${name}.yml`), JSON.stringify(configuration(node, folder, etcdPort)), { mode: 0o644 });
      nodes.push(node);
      scope.defer(async () => {
        node.process.signal('SIGKILL');
        await node.process.exited;
        try {
          process.kill(node.postmaster, 'SIGQUIT');
          await until('PostgreSQL gone', 10_000, () => !alive(node.postmaster));
        } catch {
          // It was not running, or its file went with it.
        }
      });
    }
    const cluster = new Patroni(nodes);
    nodes[0].launch();
    await until('the first primary', 60_000, () => {
      if (nodes[0].process.ended) throw new Stopped(`Patroni ended: ${nodes[0].process.log.slice(-3000)}`);
      return nodes[0].takesWrites();
    });
    nodes[1].launch();
    await nodes[0].query('CREATE DATABASE halcyon', 'postgres');
    await cluster.synchronous();
    return cluster;
  }

  /** The node that takes writes now. */
  async leader(): Promise<Node> {
    return until('a primary', 60_000, async () => {
      for (const node of this.nodes) if (await node.takesWrites().catch(() => false)) return node;
      return undefined;
    });
  }
  async newLeader(old: Node, ms = 60_000): Promise<Node> {
    const fresh = this.nodes.find((one) => one !== old)!;
    await until(`${fresh.name} takes writes`, ms, () => fresh.takesWrites(), 20);
    return fresh;
  }
  /** Waits until a synchronous standby is there, so that the next failover loses nothing. */
  async synchronous(ms = 90_000): Promise<void> {
    await until('a synchronous standby', ms, async () => {
      const leader = await this.leader();
      const standbys = await leader.query("SELECT 1 FROM pg_stat_replication WHERE sync_state IN ('sync','quorum') AND state = 'streaming'", 'postgres');
      const members: any[] = (await leader.rest('/cluster')).members;
      return standbys.length === 1 && members.some((one) => one.role === 'sync_standby');
    }, 200);
  }
  /** A planned change of roles, as `patronictl switchover` asks for. */
  async switchover(): Promise<void> {
    const leader = await this.leader();
    const candidate = this.nodes.find((one) => one !== leader)!;
    const answer = await leader.rest('/switchover', { leader: leader.name, candidate: candidate.name });
    if (!/Successfully/.test(JSON.stringify(answer))) throw new Error(`switchover: ${JSON.stringify(answer)}`);
  }

  get settings(): Record<string, string> {
    const hosts = this.nodes.map((one) => `127.0.0.1:${one.port}`).join(',');
    return { DB_DIALECT: 'postgres', DB_HOST: hosts, DB_USER: user, DB_PASSWORD: password, DB_DATABASE: 'halcyon' };
  }
  async query(sql: string): Promise<string[][]> {
    return (await this.leader()).query(sql);
  }
  quote(name: string): string {
    return `"${name}"`;
  }
}

function configuration(node: Node, folder: string, etcdPort: number): unknown {
  const rest = `127.0.0.1:${node.restPort}`;
  const account = { username: user, password };
  return {
    scope: 'halcyon',
    name: node.name,
    restapi: { listen: rest, connect_address: rest },
    etcd3: { host: `127.0.0.1:${etcdPort}` },
    bootstrap: {
      dcs: {
        ttl: 20,
        loop_wait: 2,
        retry_timeout: 3,
        primary_start_timeout: 0,
        maximum_lag_on_failover: 1048576,
        synchronous_mode: true,
        postgresql: { use_pg_rewind: true, parameters: { max_connections: 200, wal_log_hints: 'on', wal_keep_size: '128MB', hot_standby: 'on', max_wal_senders: 8 } },
      },
      initdb: [{ encoding: 'UTF8' }, { locale: 'C.UTF-8' }, 'data-checksums', 'no-sync'],
    },
    postgresql: {
      listen: `127.0.0.1:${node.port}`,
      connect_address: `127.0.0.1:${node.port}`,
      data_dir: node.data,
      bin_dir: postgresBin,
      basebackup: [{ checkpoint: 'fast' }, 'no-sync'],
      pgpass: join(folder, 'pgpass'),
      authentication: { superuser: account, replication: account, rewind: account },
      // No fsync: the machine is not crashed here, only processes are.
      parameters: { unix_socket_directories: folder, fsync: 'off', shared_buffers: '64MB', log_line_prefix: '%m [%p] ' },
      pg_hba: ['local all all trust', 'host all all 127.0.0.1/32 scram-sha-256', 'host replication all 127.0.0.1/32 scram-sha-256'],
    },
  };
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
