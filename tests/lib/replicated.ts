// A primary and a replica that follows it, of PostgreSQL (streaming) or MariaDB (GTID); the replica can be
// made to stand still, killed and started again.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Postgres, postgresBin, psql } from '../cluster/lib/databases.ts';
import { command, freePort, type Managed, type Scope, Stopped, unprivileged, until } from '../cluster/lib/scope.ts';

export interface Replicated {
  /** Settings of a server that reads from the replica. */
  readonly settings: Record<string, string>;
  /** The replica stays connected and applies nothing until it is resumed. */
  freeze(): Promise<void>;
  resume(): Promise<void>;
  kill(): Promise<void>;
  launch(): Promise<void>;
}

export const kinds = ['postgres', 'mariadb'] as const;
export function startReplicated(kind: (typeof kinds)[number], scope: Scope): Promise<Replicated> {
  return kind === 'postgres' ? PostgresPair.start(scope) : MariaPair.start(scope);
}

class PostgresPair implements Replicated {
  private process!: Managed;
  private constructor(
    private scope: Scope,
    private primary: Postgres,
    private folder: string,
    private port: number,
  ) {}

  static async start(scope: Scope): Promise<PostgresPair> {
    const primary = await Postgres.start(scope);
    const owner = unprivileged('postgres');
    const folder = scope.makeFolder('standby', owner);
    const source = `host=127.0.0.1 port=${primary.port} user=${primary.user} password=${primary.password}`;
    await scope.once(owner, `${postgresBin}/pg_basebackup`, ['-d', source, '-D', join(folder, 'data'), '-R', '-X', 'stream', '-c', 'fast', '--no-sync']);
    const pair = new PostgresPair(scope, primary, folder, await freePort());
    await pair.launch();
    scope.defer(() => pair.kill());
    return pair;
  }
  async launch(): Promise<void> {
    const settings = ['listen_addresses=127.0.0.1', 'max_connections=400', 'fsync=off', 'hot_standby_feedback=on'];
    this.process = this.scope.run('standby', `${postgresBin}/postgres`, ['-D', join(this.folder, 'data'), '-k', this.folder, '-p', String(this.port), ...settings.flatMap((one) => ['-c', one])], {
      user: unprivileged('postgres'),
    });
    await until('the standby', 30_000, async () => {
      if (this.process.ended) throw new Stopped(`the standby ended: ${this.process.log.slice(-2000)}`);
      return this.query('SELECT 1');
    });
  }
  async freeze(): Promise<void> {
    await this.query('SELECT pg_wal_replay_pause()');
    await until('the pause', 10_000, async () => (await this.query('SELECT pg_get_wal_replay_pause_state()'))[0][0] === 'paused');
  }
  async resume(): Promise<void> {
    await this.query('SELECT pg_wal_replay_resume()');
  }
  async kill(): Promise<void> {
    await this.process.stop('SIGKILL');
  }
  get settings(): Record<string, string> {
    return { ...this.primary.settings, DB_READ_HOSTS: `127.0.0.1:${this.port}` };
  }
  private query(sql: string): Promise<string[][]> {
    return psql('127.0.0.1', this.port, this.primary.user, this.primary.password, 'halcyon', sql);
  }
}

class MariaPair implements Replicated {
  private readonly user = 'halcyon';
  private readonly password = 'halcyon-test';
  private processes: Managed[] = [];
  private constructor(
    private scope: Scope,
    private ports: number[],
  ) {}

  static async start(scope: Scope): Promise<MariaPair> {
    const pair = new MariaPair(scope, [await freePort(), await freePort()]);
    writeFileSync(
      join(scope.folder, 'init.sql'),
      `CREATE USER IF NOT EXISTS '${pair.user}'@'%' IDENTIFIED BY '${pair.password}';\nGRANT ALL ON *.* TO '${pair.user}'@'%';\nCREATE DATABASE IF NOT EXISTS halcyon;\n`,
      { mode: 0o644 },
    );
    await Promise.all([0, 1].map((n) => pair.prepare(n)));
    await pair.launchOne(0);
    await pair.launchOne(1);
    await pair.query(1, `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${pair.ports[0]}, MASTER_USER='${pair.user}', MASTER_PASSWORD='${pair.password}', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos; START SLAVE`);
    scope.defer(() => Promise.all(pair.processes.map((one) => one.stop('SIGKILL'))));
    return pair;
  }
  private async prepare(n: number): Promise<void> {
    const owner = unprivileged('mysql');
    const folder = this.scope.makeFolder(`mariadb${n}`, owner);
    await this.scope.once(owner, 'mariadb-install-db', ['--no-defaults', `--datadir=${folder}/data`, '--skip-test-db', '--auth-root-authentication-method=normal', '--skip-name-resolve']);
  }
  private async launchOne(n: number): Promise<void> {
    const folder = join(this.scope.folder, `mariadb${n}`);
    const args = ['--no-defaults', `--datadir=${folder}/data`, `--socket=${folder}/socket`, `--port=${this.ports[n]}`, '--bind-address=127.0.0.1', `--pid-file=${folder}/pid`, `--server-id=${n + 1}`];
    const more = [`--init-file=${this.scope.folder}/init.sql`, '--max-connections=200', '--skip-name-resolve', '--innodb-flush-log-at-trx-commit=2', '--character-set-server=utf8mb4', '--performance-schema=OFF'];
    const small = ['--innodb-buffer-pool-size=32M', '--innodb-log-file-size=16M'];
    const role = n === 0 ? ['--log-bin', '--binlog-format=ROW'] : ['--skip-log-bin', '--relay-log=relay'];
    const process = this.scope.run(`mariadb${n}`, '/usr/sbin/mariadbd', [...args, ...more, ...small, ...role], { user: unprivileged('mysql') });
    this.processes[n] = process;
    await until('MariaDB', 60_000, async () => {
      if (process.ended) throw new Stopped(`MariaDB ended: ${process.log.slice(-2000)}`);
      return this.query(n, 'SELECT 1');
    });
  }
  launch(): Promise<void> {
    return this.launchOne(1); // it follows the primary again by itself
  }
  async freeze(): Promise<void> {
    await this.query(1, 'STOP SLAVE SQL_THREAD');
  }
  async resume(): Promise<void> {
    await this.query(1, 'START SLAVE SQL_THREAD');
  }
  async kill(): Promise<void> {
    await this.processes[1].stop('SIGKILL');
  }
  get settings(): Record<string, string> {
    return { DB_DIALECT: 'mariadb', DB_HOST: '127.0.0.1', DB_PORT: String(this.ports[0]), DB_USER: this.user, DB_PASSWORD: this.password, DB_DATABASE: 'halcyon', DB_READ_HOSTS: `127.0.0.1:${this.ports[1]}` };
  }
  private async query(n: number, sql: string): Promise<string> {
    const args = ['--no-defaults', '--protocol=tcp', '-h', '127.0.0.1', '-P', String(this.ports[n]), '-u', this.user, '--connect-timeout=3', '-N', '-B', '-e', sql, 'halcyon'];
    return (await command('mariadb', args, { MYSQL_PWD: this.password }, 60_000)) || 'done';
  }
}
