// Two builds of the server beside each other: the same requests on the same rows, in alternating
// short rounds. Only one of them runs at a time, since two would be a cluster.
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { wrk, wrkScript } from './load.ts';
import type { Options } from './options.ts';
import { Postgres } from './postgres.ts';
import { cpuSeconds } from './process.ts';
import type { Comparison, Sample } from './report.ts';
import { scenarios, type Scenario } from './scenarios.ts';
import { load, Server, tidy } from './server.ts';
import { median, progress, type CleanUp } from './shared.ts';

export class Builds {
  private postgres!: Postgres;
  private token = '';
  private running?: Server;

  constructor(
    private readonly options: Options,
    private readonly folder: string,
    private readonly cleanUp: CleanUp,
  ) {}

  private async with<T>(binary: string, work: (server: Server) => Promise<T>): Promise<T> {
    const server = await Server.start(binary, this.folder, this.postgres);
    this.running = server;
    try {
      if (!this.token) {
        await server.signIn();
        this.token = server.token;
      }
      server.token = this.token;
      return await work(server);
    } finally {
      await server.stop();
      this.running = undefined;
    }
  }

  private sample(binary: string, scenario: Scenario, lua: string, connections: number): Promise<Sample> {
    const { seconds, orders } = this.options;
    return this.with(binary, async (server) => {
      await wrk(server.origin, lua, connections, 1);
      if (scenario.creates) await tidy(this.postgres, orders);
      const before = { server: cpuSeconds(server.pid), database: cpuSeconds(this.postgres.pid) };
      const http = await wrk(server.origin, lua, connections, seconds);
      return {
        rate: http.requests / http.seconds,
        p50: http.p50,
        p99: http.p99,
        errors: http.errors,
        serverMs: ((cpuSeconds(server.pid) - before.server) * 1000) / http.requests,
        databaseMs: ((cpuSeconds(this.postgres.pid) - before.database) * 1000) / http.requests,
      };
    });
  }

  private async compare(scenario: Scenario, connections: number): Promise<Comparison> {
    const { binary, against = binary, rounds } = this.options;
    progress(`${scenario.title}, ${connections} connections`);
    const lua = join(this.folder, `${scenario.name}.lua`);
    writeFileSync(lua, wrkScript(scenario.variants(this.options), this.token));
    const mine: Sample[] = [];
    const theirs: Sample[] = [];
    for (let round = 0; round < rounds; ++round) {
      // Neither is always the one that finds the caches warm.
      const order = round % 2 ? [binary, against] : [against, binary];
      for (const one of order) {
        (one === binary ? mine : theirs).push(await this.sample(one, scenario, lua, connections));
      }
    }
    const middle = (samples: Sample[]): Sample => ({
      rate: median(samples.map(({ rate }) => rate)),
      p50: median(samples.map(({ p50 }) => p50)),
      p99: median(samples.map(({ p99 }) => p99)),
      errors: samples.reduce((sum, { errors }) => sum + errors, 0),
      serverMs: median(samples.map(({ serverMs }) => serverMs)),
      databaseMs: median(samples.map(({ databaseMs }) => databaseMs)),
    });
    return { title: scenario.title, connections, mine: middle(mine), theirs: middle(theirs) };
  }

  async run(): Promise<Comparison[]> {
    const { options } = this;
    progress(`Starting PostgreSQL (fsync ${options.fsync ? 'on' : 'off'})`);
    this.postgres = await Postgres.start(this.folder, options.fsync);
    this.cleanUp.add(() => this.postgres.stop());
    this.cleanUp.add(() => this.running?.stop());
    progress(`Loading ${options.orders} orders and ${options.customers} customers`);
    await this.with(options.binary, (server) => load(server, this.postgres, options));
    const chosen = scenarios.filter(({ name }) => !options.only.length || options.only.includes(name));
    const results: Comparison[] = [];
    for (const connections of options.connections) {
      for (const scenario of chosen) results.push(await this.compare(scenario, connections));
    }
    return results;
  }
}
