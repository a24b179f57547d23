// The mixed load and its checker.
//
// Every client works on its own rows, so it knows what each of them must hold, and says at once
// when a read contradicts what was acknowledged. Every write carries a token no other write has.
// At the end `verify` compares all that was acknowledged with the database, by SQL and through
// every replica's API: a token of an acknowledged write that is missing is a lost write, a token
// (or a row of a transfer) that is there more often than once is a write applied twice.
//
// Half of the clients send an Idempotency-Key with each operation; the others rely on the request
// id that the balancer sends. None retries anything.
import assert from 'node:assert/strict';
import { type Database } from './databases.ts';
import { type Answer, Client, History, succeeded } from './history.ts';
import { type Random } from './random.ts';
import { pause } from './scope.ts';

const bigInt = (name: string) => ({ name, type: 'bigInt' });
const collections = [
  { name: 'records', fields: [{ name: 'token', type: 'string' }, { name: 'n', type: 'integer' }, { name: 'note', type: 'text' }] },
  { name: 'counters', fields: [{ name: 'owner', type: 'string' }, { name: 'value', type: 'integer' }] },
  { name: 'accounts', fields: [{ name: 'name', type: 'string' }, { name: 'seen', type: 'integer' }] },
  {
    name: 'entries',
    fields: [{ name: 'token', type: 'string' }, { name: 'delta', type: 'integer' }, bigInt('transferId'), { name: 'account', type: 'belongsTo', target: 'accounts', foreignKey: 'accountId' }],
  },
  {
    name: 'transfers',
    fields: [{ name: 'token', type: 'string' }, { name: 'amount', type: 'integer' }, { name: 'entries', type: 'hasMany', target: 'entries', foreignKey: 'transferId' }],
  },
];

/** What a client knows of a row whose last write was answered. */
interface Known {
  id: number | string;
  token: string;
  n: number;
}

export interface Verdict {
  lost: number;
  twice: number;
  wrong: number;
  details: string[];
}

export interface LoadOptions {
  clients?: number;
  think?: number; // ms between two operations of a client, at most
}

export class Workload {
  readonly history = new History();
  private running: Promise<void>[] = [];
  private stopping = false;
  private clients: Client[] = [];
  private workers: Worker[] = [];
  private accounts: (number | string)[] = [];

  private constructor(
    readonly base: () => string,
    readonly token: string,
    readonly random: Random,
  ) {}

  /** Makes the collections and the accounts through `base`. */
  static async prepare(base: () => string, token: string, random: Random): Promise<Workload> {
    const load = new Workload(base, token, random);
    const client = new Client('prepare', base, token);
    for (const one of collections) await must(client.call('model', 'POST', 'collections:create', one));
    const made = await must(client.call('create', 'POST', 'accounts:create', Array.from({ length: 10 }, (_, n) => ({ name: `account ${n}`, seen: 0 }))));
    load.accounts = made.map((row: any) => row.id);
    client.close();
    return load;
  }

  async start(options: LoadOptions = {}): Promise<void> {
    const count = options.clients ?? 16;
    for (let n = 0; n < count; n++) {
      const client = new Client(`client ${n}`, this.base, this.token, this.history);
      this.clients.push(client);
      const worker = new Worker(n, client, this.random.fork(n), this.history, this.accounts, n % 2 === 0);
      this.workers.push(worker);
      await worker.begin();
    }
    const think = options.think ?? 20;
    this.running = this.workers.map(async (worker) => {
      while (!this.stopping) {
        await worker.step();
        await pause(worker.random.next() * think);
      }
    });
  }

  /** Lets every client finish what it is at. */
  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.running);
    this.clients.forEach((one) => one.close());
  }

  /** Successes since `when`, to wait for. */
  successesSince(when: number): number {
    return this.history.entries.filter((one) => one.sent >= when && succeeded(one.status)).length;
  }

  async verify(database: Database, replicas: (() => string)[]): Promise<Verdict> {
    const verdict: Verdict = { lost: 0, twice: 0, wrong: this.history.wrong.length, details: [] };
    const q = (name: string) => database.quote(name);
    const records = await database.query(`SELECT ${q('id')}, ${q('token')}, ${q('n')} FROM ${q('records')}`);
    const transfers = await database.query(`SELECT ${q('id')}, ${q('token')}, ${q('amount')} FROM ${q('transfers')}`);
    const entries = await database.query(`SELECT ${q('transferId')}, ${q('token')}, ${q('delta')} FROM ${q('entries')}`);
    const counters = await database.query(`SELECT ${q('owner')}, ${q('value')} FROM ${q('counters')}`);
    this.verifyRecords(records, verdict);
    this.verifyTransfers(transfers, entries, verdict);
    for (const worker of this.workers) {
      const values = counters.filter((row) => row[0] === worker.name).map((row) => Number(row[1]));
      if (values.length > 1) note(verdict, 'twice', `counter of ${worker.name} is there ${values.length} times`);
      const least = worker.counter.n;
      const most = worker.counterUnsure ?? least;
      if (values.length === 0 || values[0] < least || values[0] > most) note(verdict, 'lost', `counter of ${worker.name} is ${values}, acknowledged ${least}..${most}`);
    }
    for (const base of replicas) {
      const client = new Client('verify', base, this.token);
      for (const [collection, rows] of [['records', records], ['transfers', transfers], ['entries', entries]] as const) {
        const answer = await must(client.call('list', 'GET', `${collection}:list?paginate=false&fields=id`));
        const ids = new Set(answer.map((row: any) => String(row.id)));
        if (collection !== 'entries' && (ids.size !== rows.length || rows.some((row) => !ids.has(row[0])))) note(verdict, 'wrong', `${base()} lists ${ids.size} of ${rows.length} ${collection}`);
        if (collection === 'entries' && ids.size !== rows.length) note(verdict, 'wrong', `${base()} lists ${ids.size} of ${rows.length} entries`);
      }
      client.close();
    }
    return verdict;
  }

  private verifyRecords(rows: string[][], verdict: Verdict): void {
    const byToken = group(rows, 1);
    for (const worker of this.workers) {
      for (const known of worker.live.values()) {
        const found = byToken.get(known.token) ?? [];
        if (found.length === 0) note(verdict, 'lost', `record ${known.token} is missing`);
        else if (found.length > 1) note(verdict, 'twice', `record ${known.token} is there ${found.length} times`);
        else if (Number(found[0][2]) !== known.n) note(verdict, 'lost', `record ${known.token} holds ${found[0][2]}, acknowledged ${known.n}`);
        byToken.delete(known.token);
      }
      for (const { token, id } of worker.destroyed) {
        // Another id: its create was applied twice, and one of the two was destroyed.
        for (const row of byToken.get(token) ?? []) note(verdict, row[0] === String(id) ? 'lost' : 'twice', `record ${token} is there after its acknowledged destroy`);
        byToken.delete(token);
      }
      for (const token of worker.unsure) {
        if ((byToken.get(token)?.length ?? 0) > 1) note(verdict, 'twice', `record ${token} is there ${byToken.get(token)!.length} times`);
        byToken.delete(token);
      }
    }
    for (const token of byToken.keys()) note(verdict, 'wrong', `record ${token} is of nobody`);
  }

  private verifyTransfers(rows: string[][], entries: string[][], verdict: Verdict): void {
    const byToken = group(rows, 1);
    const entriesByToken = group(entries, 1);
    for (const worker of this.workers) {
      for (const [token, sure] of worker.transfers) {
        const found = byToken.get(token) ?? [];
        const parts = entriesByToken.get(token) ?? [];
        if (sure && found.length === 0) note(verdict, 'lost', `transfer ${token} is missing`);
        if (found.length > 1) note(verdict, 'twice', `transfer ${token} is there ${found.length} times`);
        const whole = parts.length === found.length * 2 && parts.reduce((sum, part) => sum + Number(part[2]), 0) === 0;
        if (!whole) note(verdict, parts.length > found.length * 2 ? 'twice' : 'lost', `transfer ${token} has ${found.length} rows and ${parts.length} entries`);
        if (found.length === 1 && parts.some((part) => part[0] !== found[0][0])) note(verdict, 'wrong', `an entry of transfer ${token} is of another`);
        byToken.delete(token);
        entriesByToken.delete(token);
      }
    }
    for (const token of [...byToken.keys(), ...entriesByToken.keys()]) note(verdict, 'wrong', `transfer ${token} is of nobody`);
  }
}

/** One client's operations and what it knows. */
class Worker {
  readonly live = new Map<string, Known>();
  readonly destroyed: Known[] = [];
  readonly unsure = new Set<string>(); // a write of it failed: it may have happened or not
  readonly transfers = new Map<string, boolean>(); // token -> acknowledged
  counter: Known = { id: 0, token: '', n: 0 };
  counterUnsure: number | undefined; // a failed write may have set this
  private made = 0;

  constructor(
    readonly number: number,
    private client: Client,
    readonly random: Random,
    private history: History,
    private accounts: (number | string)[],
    private ownKeys: boolean,
  ) {}

  get name(): string {
    return this.client.name;
  }

  async begin(): Promise<void> {
    const row = await must(this.client.call('create counters', 'POST', 'counters:create', { owner: this.name, value: 0 }, this.key()));
    this.counter = { id: row.id, token: this.name, n: 0 };
  }

  async step(): Promise<void> {
    const known = this.live.size > 0 ? this.random.pick([...this.live.values()]) : undefined;
    const dice = this.random.between(1, 100);
    if (!known || dice <= 28) return this.create();
    if (dice <= 45) return this.update(known);
    if (dice <= 55) return this.increment();
    if (dice <= 63) return this.destroy(known);
    if (dice <= 75) return this.transfer();
    if (dice <= 87) return this.get(known);
    if (dice <= 96) return this.list(known);
    return this.model();
  }

  private key(): string {
    return this.ownKeys ? `${this.name}-${this.random.seed}-${this.made++}`.replaceAll(' ', '-') : '';
  }
  private newToken(): string {
    return `t-${this.number}-${this.random.seed}-${this.made++}`;
  }

  private async create(): Promise<void> {
    const token = this.newToken();
    const n = this.random.between(0, 1_000_000);
    const answer = await this.client.call('create records', 'POST', 'records:create', { token, n, note: 'x'.repeat(this.random.between(0, 200)) }, this.key());
    if (!succeeded(answer.status)) return void this.unsure.add(token);
    const row = answer.body.data;
    if (row.token !== token || row.n !== n) this.history.contradiction(`create of ${token} answered ${JSON.stringify(row)}`);
    this.live.set(token, { id: row.id, token, n });
    // A client holds some dozen rows, so that reads meet rows of every age.
    if (this.live.size > 60) await this.destroy(this.random.pick([...this.live.values()]));
  }

  private forget(known: Known): void {
    this.live.delete(known.token);
    this.unsure.add(known.token);
  }

  private async update(known: Known): Promise<void> {
    const answer = await this.client.call('update records', 'POST', `records:update?filterByTk=${known.id}`, { n: known.n + 1 }, this.key());
    if (!succeeded(answer.status)) return this.forget(known);
    known.n++;
    if (answer.body.data.length !== 1 || answer.body.data[0].n !== known.n) this.history.contradiction(`update of ${known.token} to ${known.n} answered ${JSON.stringify(answer.body.data)}`);
  }

  /** Reads its counter, which must hold what was acknowledged, and writes one more. */
  private async increment(): Promise<void> {
    const read = await this.client.call('get counters', 'GET', `counters:get?filterByTk=${this.counter.id}`);
    if (!succeeded(read.status)) return;
    const value = read.body.data?.value;
    const expected = [this.counter.n, this.counterUnsure];
    if (!expected.includes(value)) return this.history.contradiction(`counter of ${this.name} is ${JSON.stringify(read.body.data)}, acknowledged ${expected}`);
    const answer = await this.client.call('update counters', 'POST', `counters:update?filterByTk=${this.counter.id}`, { value: value + 1 }, this.key());
    this.counter.n = value;
    this.counterUnsure = undefined;
    if (succeeded(answer.status)) this.counter.n = value + 1;
    else this.counterUnsure = value + 1;
  }

  private async destroy(known: Known): Promise<void> {
    const answer = await this.client.call('destroy records', 'POST', `records:destroy?filterByTk=${known.id}`, undefined, this.key());
    if (!succeeded(answer.status)) return this.forget(known);
    if (answer.body.data !== 1) this.history.contradiction(`destroy of ${known.token} answered ${JSON.stringify(answer.body.data)}`);
    this.live.delete(known.token);
    this.destroyed.push(known);
  }

  private async transfer(): Promise<void> {
    const token = this.newToken();
    const amount = this.random.between(1, 100);
    const from = this.random.pick(this.accounts);
    const to = this.random.pick(this.accounts.filter((one) => one !== from));
    const entries = [
      { token, delta: -amount, account: { id: from } },
      { token, delta: amount, account: { id: to } },
    ];
    const answer = await this.client.call('create transfers', 'POST', 'transfers:create', { token, amount, entries }, this.key());
    this.transfers.set(token, succeeded(answer.status));
    if (succeeded(answer.status) && answer.body.data.token !== token) this.history.contradiction(`transfer ${token} answered ${JSON.stringify(answer.body.data)}`);
  }

  private async get(known: Known): Promise<void> {
    const answer = await this.client.call('get records', 'GET', `records:get?filterByTk=${known.id}`);
    if (!succeeded(answer.status)) return;
    const row = answer.body.data;
    if (row?.token !== known.token || row?.n !== known.n) this.history.contradiction(`get of ${known.token} (${known.n}) answered ${JSON.stringify(row)}`);
  }

  private async list(known: Known): Promise<void> {
    const filter = encodeURIComponent(JSON.stringify({ token: known.token }));
    const answer = await this.client.call('list records', 'GET', `records:list?filter=${filter}&pageSize=20`);
    if (!succeeded(answer.status)) return;
    const rows = answer.body.data;
    if (rows.length !== 1 || rows[0].n !== known.n) this.history.contradiction(`list of ${known.token} (${known.n}) answered ${JSON.stringify(rows)}`);
  }

  private async model(): Promise<void> {
    const answer = await this.client.call('model', 'GET', 'collections:get?filterByTk=records&appends=fields');
    if (succeeded(answer.status) && answer.body.data?.name !== 'records') this.history.contradiction(`the model answered ${JSON.stringify(answer.body.data)}`);
  }
}

function note(verdict: Verdict, kind: 'lost' | 'twice' | 'wrong', text: string): void {
  verdict[kind]++;
  if (verdict.details.length < 20) verdict.details.push(`  ${kind}: ${text}`);
}

function group(rows: string[][], column: number): Map<string, string[][]> {
  const map = new Map<string, string[][]>();
  for (const row of rows) {
    const list = map.get(row[column]);
    if (list) list.push(row);
    else map.set(row[column], [row]);
  }
  return map;
}

/** The answer's data; fails on anything but 2xx. */
export async function must(answer: Promise<Answer>): Promise<any> {
  const { status, body, error } = await answer;
  assert.ok(succeeded(status), `${status} ${error} ${JSON.stringify(body)?.slice(0, 500)}`);
  return body?.data;
}
