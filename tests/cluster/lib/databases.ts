// Databases that a scenario may stop, kill and restart: one PostgreSQL, one MariaDB.
//
// Unlike those of script/test-databases they keep what they acknowledged when they are killed:
// commits reach the kernel before the answer (no fsync: the machine itself is not crashed).
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { command, freePort, type Managed, type Scope, Stopped, unprivileged, until } from './scope.ts';

export const postgresBin = '/usr/lib/postgresql/15/bin';

export interface Database {
  /** Settings of a replica that uses it. */
  readonly settings: Record<string, string>;
  query(sql: string): Promise<string[][]>;
  quote(name: string): string;
}

export async function psql(host: string, port: number, user: string, password: string, database: string, sql: string): Promise<string[][]> {
  const env = { PGPASSWORD: password, PGCONNECT_TIMEOUT: '3' };
  const out = await command('psql', ['-XqAt', '-F', '\t', '-h', host, '-p', String(port), '-U', user, '-d', database, '-v', 'ON_ERROR_STOP=1', '-c', sql], env, 60_000);
  return rows(out);
}

function rows(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));
}

export class Postgres implements Database {
  readonly user = 'halcyon';
  readonly password = 'halcyon-test';
  process!: Managed;
  private constructor(
    private scope: Scope,
    readonly folder: string,
    readonly host: string,
    readonly port: number,
    private options: string[],
    private env: Record<string, string>,
  ) {}

  static async start(scope: Scope, host = '127.0.0.1', options: string[] = [], env: Record<string, string> = {}): Promise<Postgres> {
    const owner = unprivileged('postgres');
    const folder = scope.makeFolder('postgres', owner);
    const server = new Postgres(scope, folder, host, await freePort(), options, env);
    const passwords = join(scope.folder, 'password');
    writeFileSync(passwords, server.password, { mode: 0o644 });
    await scope.once(owner, `${postgresBin}/initdb`, ['-D', join(folder, 'data'), '-U', server.user, `--pwfile=${passwords}`, '-A', 'scram-sha-256', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync']);
    if (host !== '127.0.0.1') await scope.once(owner, 'sh', ['-c', `echo 'host all all all scram-sha-256' >> '${folder}/data/pg_hba.conf'`]);
    await server.launch();
    await psql(host, server.port, server.user, server.password, 'postgres', 'CREATE DATABASE halcyon');
    scope.defer(() => server.stop('SIGQUIT'));
    return server;
  }

  async launch(): Promise<void> {
    const listen = this.host === '127.0.0.1' ? '127.0.0.1' : `127.0.0.1,${this.host}`;
    const settings = [`listen_addresses=${listen}`, 'max_connections=400', 'fsync=off', 'shared_buffers=128MB', 'log_line_prefix=%m [%p] ', ...this.options];
    this.process = this.scope.run('postgres', `${postgresBin}/postgres`, ['-D', join(this.folder, 'data'), '-k', this.folder, '-p', String(this.port), ...settings.flatMap((one) => ['-c', one])], {
      user: unprivileged('postgres'),
      env: this.env,
    });
    const ready = async () => {
      if (this.process.ended) throw new Stopped(`PostgreSQL ended: ${this.process.log.slice(-2000)}`);
      return command(`${postgresBin}/pg_isready`, ['-q', '-h', this.host, '-p', String(this.port)]).then(() => true);
    };
    await until('PostgreSQL', 30_000, ready);
  }

  /** SIGINT: fast, as an administrator restarts it. SIGQUIT: immediate, as if it had crashed. */
  async stop(signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    await this.process.stop(signal, 20_000);
  }

  get settings(): Record<string, string> {
    return { DB_DIALECT: 'postgres', DB_HOST: this.host, DB_PORT: String(this.port), DB_USER: this.user, DB_PASSWORD: this.password, DB_DATABASE: 'halcyon' };
  }
  query(sql: string): Promise<string[][]> {
    return psql(this.host, this.port, this.user, this.password, 'halcyon', sql);
  }
  quote(name: string): string {
    return `"${name}"`;
  }
}

export class MariaDb implements Database {
  readonly user = 'halcyon';
  readonly password = 'halcyon-test';
  process!: Managed;
  private constructor(
    private scope: Scope,
    readonly folder: string,
    readonly port: number,
  ) {}

  static async start(scope: Scope): Promise<MariaDb> {
    const owner = unprivileged('mysql');
    const folder = scope.makeFolder('mariadb', owner);
    const server = new MariaDb(scope, folder, await freePort());
    writeFileSync(
      join(scope.folder, 'init.sql'),
      `CREATE USER IF NOT EXISTS 'halcyon'@'%' IDENTIFIED BY '${server.password}';\nGRANT ALL ON *.* TO 'halcyon'@'%';\nCREATE DATABASE IF NOT EXISTS halcyon;\n`,
      { mode: 0o644 },
    );
    await scope.once(owner, 'mariadb-install-db', ['--no-defaults', `--datadir=${folder}/data`, '--skip-test-db', '--auth-root-authentication-method=normal', '--skip-name-resolve']);
    await server.launch();
    scope.defer(() => server.stop('SIGKILL'));
    return server;
  }

  async launch(): Promise<void> {
    const args = ['--no-defaults', `--datadir=${this.folder}/data`, `--socket=${this.folder}/socket`, `--port=${this.port}`, '--bind-address=127.0.0.1', `--pid-file=${this.folder}/pid`];
    const more = [`--init-file=${this.scope.folder}/init.sql`, '--max-connections=400', '--skip-name-resolve', '--skip-log-bin', '--innodb-flush-log-at-trx-commit=2'];
    const small = ['--innodb-buffer-pool-size=64M', '--innodb-log-file-size=32M', '--character-set-server=utf8mb4', '--performance-schema=OFF'];
    this.process = this.scope.run('mariadb', '/usr/sbin/mariadbd', [...args, ...more, ...small], { user: unprivileged('mysql') });
    const ready = async () => {
      if (this.process.ended) throw new Stopped(`MariaDB ended: ${this.process.log.slice(-2000)}`);
      return this.query('SELECT 1');
    };
    await until('MariaDB', 60_000, ready);
  }

  /** SIGTERM: as an administrator restarts it. SIGKILL: as if it had crashed. */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.process.stop(signal, 30_000);
  }

  get settings(): Record<string, string> {
    return { DB_DIALECT: 'mariadb', DB_HOST: '127.0.0.1', DB_PORT: String(this.port), DB_USER: this.user, DB_PASSWORD: this.password, DB_DATABASE: 'halcyon' };
  }
  async query(sql: string): Promise<string[][]> {
    const args = ['--no-defaults', '--protocol=tcp', '-h', '127.0.0.1', '-P', String(this.port), '-u', this.user, '--connect-timeout=3', '-N', '-B', '-e', sql, 'halcyon'];
    return rows(await command('mariadb', args, { MYSQL_PWD: this.password }, 60_000));
  }
  quote(name: string): string {
    return `\`${name}\``;
  }
}
