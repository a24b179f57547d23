// Scenario 7 (promises P5, P7): ten replicas start at once on an empty database; then the model, permissions, settings
// and sessions are changed through random replicas while all are used. What a change's answer has promised holds on
// every replica from then on: nothing stale is read, and no value is dropped in silence.
import assert from 'node:assert/strict';
import { MariaDb, Postgres } from './lib/databases.ts';
import { type Answer, Client, History, signIn, succeeded } from './lib/history.ts';
import { type Random } from './lib/random.ts';
import { Replica, startAll } from './lib/replica.ts';
import { long, scenario } from './lib/scenario.ts';
import { pause } from './lib/scope.ts';
import { must } from './lib/workload.ts';

const count = 10;
const changeCount = long ? 200 : 24;

for (const Server of [Postgres, MariaDb]) {
  scenario(`7 ten replicas at once and model changes, ${Server === Postgres ? 'PostgreSQL' : 'MariaDB'}`, { limit: 150 }, async (run) => {
    const database = await Server.start(run.scope);
    const replicas: Replica[] = [];
    for (let n = 0; n < count; n++) replicas.push(await Replica.make(run.scope, database, { env: { DB_POOL_MAX: '4' } }));
    const began = performance.now();
    await startAll(replicas);
    const allReadyAfter = Math.round(performance.now() - began);
    const token = await signIn(run.random.pick(replicas).url);
    await oneSetOfFirstRows(replicas, token);
    const changes = new Changes(replicas, token, run.random.fork(1));
    await changes.prepare();
    let done = false;
    const users = replicas.map((_, n) => changes.use(n, () => done));
    // Two at a time: changes of the model meet, too.
    await Promise.all([0, 1].map(async (n) => {
      for (let made = n; made < changeCount; made += 2) await changes.change();
    }));
    done = true;
    await Promise.all(users);
    const { requests, failed, p50, p99 } = changes.history.figures();
    const took = changes.took.sort((a, b) => a - b);
    run.figures({ allReadyAfter, changes: took.length, stale: changes.stale.length, failed, requests, p50, p99, changeP50: took[took.length >> 1], changeLongest: took[took.length - 1] });
    assert.deepEqual(changes.stale.slice(0, 10), [], `seed ${run.random.seed}`);
    assert.equal(failed, 0, changes.history.explain());
    assert.ok(requests > 10 * changeCount, `only ${requests} requests`);
  });
}

async function oneSetOfFirstRows(replicas: Replica[], token: string): Promise<void> {
  for (const replica of replicas) {
    const admin = new Client('admin', () => replica.url, token);
    const keys = async (collection: string, key: string) => (await must(admin.call('list', 'GET', `${collection}:list?paginate=false`))).map((row: any) => row[key]).sort();
    assert.equal((await keys('users', 'username')).length, 1, 'one first administrator');
    assert.deepEqual(await keys('roles', 'name'), ['admin', 'member', 'root']);
    assert.deepEqual(await keys('dataSourcesRolesResourcesScopes', 'key'), ['all', 'own']);
    assert.equal((await keys('systemSettings', 'id')).length, 1);
    admin.close();
  }
}

/** A field of a collection; `state` says what every replica must know of it from now on. */
interface Fact {
  collection: string;
  field: string;
  state: 'there' | 'leaving' | 'gone' | 'dropped'; // dropped: with its collection
}

class Changes {
  readonly history = new History();
  readonly stale: string[] = [];
  readonly took: number[] = [];
  private facts: Fact[] = [];
  private made = 0;
  private visitors = 0;

  constructor(
    private replicas: Replica[],
    private token: string,
    private random: Random,
  ) {}

  private client(replica: Replica, token = this.token): Client {
    return new Client('changes', () => replica.url, token, undefined, 90_000);
  }

  async prepare(): Promise<void> {
    for (let n = 0; n < 3; n++) await this.createCollection();
  }

  /** One change through a random replica, and then a look at every one. */
  async change(): Promise<void> {
    const dice = this.random.between(1, 100);
    if (dice <= 15) await this.createCollection();
    else if (dice <= 55) await this.addField();
    else if (dice <= 70) await this.removeField();
    else if (dice <= 75) await this.dropCollection();
    else if (dice <= 85) await this.changeRole();
    else if (dice <= 95) await this.signOut();
    else await this.changeSetting();
  }

  private there(): Fact[] {
    return this.facts.filter((one) => one.state === 'there');
  }

  /** The change itself; its time is noted. */
  private async admin(path: string, body?: unknown): Promise<void> {
    const client = this.client(this.random.pick(this.replicas));
    const began = performance.now();
    await must(client.call('model', 'POST', path, body));
    this.took.push(Math.round(performance.now() - began));
    client.close();
  }

  private async createCollection(): Promise<void> {
    const fact: Fact = { collection: `c${this.made++}`, field: 'base', state: 'there' };
    await this.admin('collections:create', { name: fact.collection, fields: [{ name: 'base', type: 'string' }] });
    this.facts.push(fact);
    await this.everywhere(fact);
  }

  private async addField(): Promise<void> {
    const { collection } = this.random.pick(this.there());
    const fact: Fact = { collection, field: `f${this.made++}`, state: 'there' };
    const added = await this.unlessDropped(collection, `collections/${collection}/fields:create`, { name: fact.field, type: 'string' });
    if (!added) return;
    this.facts.push(fact);
    await this.everywhere(fact);
  }

  private async removeField(): Promise<void> {
    const fact = this.there().find((one) => one.field !== 'base');
    if (!fact) return this.addField();
    fact.state = 'leaving';
    const removed = await this.unlessDropped(fact.collection, `collections/${fact.collection}/fields:destroy?filterByTk=${fact.field}`);
    if (!removed) return;
    fact.state = 'gone';
    await this.everywhere(fact);
  }

  private async dropCollection(): Promise<void> {
    const names = [...new Set(this.there().map((one) => one.collection))].filter((one) => one !== 'c0'); // which roles are tried on
    if (names.length < 3) return this.createCollection();
    const name = this.random.pick(names);
    const all = this.facts.filter((one) => one.collection === name);
    for (const fact of all) fact.state = 'leaving';
    await this.admin(`collections:destroy?filterByTk=${name}`);
    for (const fact of this.facts) if (fact.collection === name) fact.state = 'dropped';
    await this.everywhere(all[0]);
  }

  /** False: the other one has dropped the collection meanwhile. */
  private async unlessDropped(collection: string, path: string, body?: unknown): Promise<boolean> {
    try {
      await this.admin(path, body);
    } catch (error) {
      if (this.facts.some((one) => one.collection === collection && one.field === 'base' && one.state !== 'there')) return false;
      throw error;
    }
    return !this.facts.some((one) => one.collection === collection && one.field === 'base' && one.state !== 'there');
  }

  private everywhere(fact: Fact): Promise<unknown> {
    return Promise.all(
      this.replicas.map(async (replica) => {
        const client = this.client(replica);
        await this.check(client, replica, fact, `${fact.field}-${this.made++}`);
        client.close();
      }),
    );
  }

  /** Reads and writes through random replicas until the changes are done. */
  async use(n: number, done: () => boolean): Promise<void> {
    const random = this.random.fork(100 + n);
    const clients = this.replicas.map((replica) => new Client(`user ${n}`, () => replica.url, this.token));
    while (!done()) {
      const at = random.between(0, this.replicas.length - 1);
      const fact = random.pick(this.facts);
      if (fact.state !== 'leaving') await this.check(clients[at], this.replicas[at], fact, `u${n}-${this.made++}`);
      await pause(random.next() * 60);
    }
    clients.forEach((one) => one.close());
  }

  /** A write of the field and a read of it through another replica, or the refusal of what is gone. */
  private async check(client: Client, replica: Replica, fact: Fact, value: string): Promise<void> {
    const { collection, field, state } = fact;
    const still = () => fact.state === state; // else it was removed meanwhile
    const note = (what: string, answer: Answer) => {
      if (still()) this.stale.push(`${replica.name}: ${what}: ${answer.status} ${JSON.stringify(answer.body)?.slice(0, 300)} ${answer.error}`);
    };
    const created = await client.call('create', 'POST', `${collection}:create`, { [field]: value });
    const expected = { there: 200, leaving: 0, gone: 400, dropped: 404 }[state];
    if (created.status !== expected) note(`create of ${collection}.${field}, which is ${state}`, created);
    // A refusal of what was removed meanwhile is right.
    if (created.status === expected || succeeded(created.status)) this.history.add(client.name, 'create', '', { ...created, status: 200 });
    else if (still() || ![400, 404].includes(created.status)) this.history.add(client.name, 'create', '', created);
    if (succeeded(created.status) && created.body.data[field] !== value) note(`create of ${collection}.${field} dropped its value`, created);
    if (state === 'gone') {
      const listed = await client.call('list', 'GET', `${collection}:list?pageSize=1`);
      if (!succeeded(listed.status) || listed.body.data.some((row: any) => field in row)) note(`list of ${collection}, whose ${field} is gone`, listed);
    }
    if (state !== 'there' || !succeeded(created.status)) return;
    const other = this.random.pick(this.replicas);
    const reader = this.client(other);
    const read = await reader.call('get', 'GET', `${collection}:get?filterByTk=${created.body.data.id}`);
    reader.close();
    if (read.body?.data?.[field] !== value) note(`get of ${collection}.${field} from ${other.name} after its create`, read);
    if (still()) this.history.add(client.name, 'get', '', read);
  }

  /** A role and an account of their own, so that two such changes do not meet. */
  private async visitor(): Promise<{ role: string; token: string }> {
    const name = `visitor${this.visitors++}`;
    const admin = this.client(this.random.pick(this.replicas));
    await must(admin.call('model', 'POST', 'roles:create', { name, title: name, strategy: { actions: ['view'] } }));
    await must(admin.call('model', 'POST', 'users:create', { username: name, password: 'pass-word-1', roles: [name] }));
    admin.close();
    return { role: name, token: await signIn(this.random.pick(this.replicas).url, name, 'pass-word-1') };
  }

  /** What a role may do is in force everywhere when the call returns. */
  private async changeRole(): Promise<void> {
    const { role, token } = await this.visitor();
    for (const [actions, expected] of [[[], 403], [['view'], 200]] as const) {
      await this.admin(`roles:update?filterByTk=${role}`, { strategy: { actions } });
      await this.askAll(token, 'c0:list', expected, `list with the role's actions [${actions}]`);
    }
  }

  private async signOut(): Promise<void> {
    const { token } = await this.visitor();
    await this.askAll(token, 'auth:check', 200, 'a fresh token');
    const client = this.client(this.random.pick(this.replicas), token);
    await must(client.call('model', 'POST', 'auth:signOut'));
    client.close();
    await this.askAll(token, 'auth:check', 401, 'a token signed out');
  }

  private async changeSetting(): Promise<void> {
    const title = `title ${this.made++}`;
    await this.admin('systemSettings:update?filterByTk=1', { title });
    await Promise.all(
      this.replicas.map(async (replica) => {
        const client = this.client(replica);
        const read = await must(client.call('get', 'GET', 'systemSettings:get'));
        client.close();
        // Two of these may meet; a later title is right as well.
        if (Number(/\d+/.exec(read.title)) < Number(/\d+/.exec(title))) this.stale.push(`${replica.name}: title "${read.title}", set to "${title}"`);
      }),
    );
  }

  private async askAll(token: string, path: string, expected: number, what: string): Promise<void> {
    await Promise.all(
      this.replicas.map(async (replica) => {
        const client = this.client(replica, token);
        const answer = await client.call('get', 'GET', path);
        client.close();
        if (answer.status !== expected) this.stale.push(`${replica.name}: ${what}: ${answer.status}, expected ${expected} ${JSON.stringify(answer.body)?.slice(0, 200)}`);
      }),
    );
  }
}
