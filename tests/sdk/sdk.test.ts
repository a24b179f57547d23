// NocoBase's npm client against a running server, on every database: signs in, models, writes, reads,
// filters, and gets errors.
import type { APIClient } from '@nocobase/sdk';
import { Validator } from '@seriousme/openapi-schema-validator';
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { data, refused, signedIn, type Row } from '../lib/client.ts';
import { dialects, Server } from '../lib/server.ts';

for (const dialect of dialects()) {
  describe(`the SDK on ${dialect}`, () => {
    let server: Server;
    let api: APIClient;

    before(async () => {
      server = await Server.start(dialect);
      api = await signedIn(server.url);
    });
    after(async () => server.stop());

    const names = async (resource: string, params: Row) => (await data(api.resource(resource).list(params))).map((row: Row) => row.name ?? row.no);

    it('signs in and refuses wrong passwords and missing tokens', async () => {
      const user = await data(api.request({ url: 'auth:check' }));
      assert.equal(user.username, 'nocobase');
      assert.equal(user.password, undefined);
      await refused(signedIn(server.url, 'nocobase', 'wrong'), 401, 'INVALID_CREDENTIALS');
      await refused(signedIn(server.url, 'nobody', 'wrong'), 401, 'INVALID_CREDENTIALS');
      const nobody = new (api.constructor as any)({ baseURL: `${server.url}/api`, storageType: 'memory' });
      await refused(nobody.resource('users').list(), 401, 'EMPTY_TOKEN');
      nobody.auth.setToken('x.y.z');
      await refused(nobody.resource('users').list(), 401, 'INVALID_TOKEN');
    });

    it('models collections with relations', async () => {
      const made = await data(
        api.resource('collections').create({
          values: {
            name: 'customers',
            title: 'Customers',
            createdAt: true,
            updatedAt: true,
            createdBy: true,
            fields: [
              { name: 'name', type: 'string', uiSchema: { title: 'Name' } },
              { name: 'email', type: 'string', unique: true },
              { name: 'age', type: 'integer' },
              { name: 'vip', type: 'boolean' },
              { name: 'tags', type: 'array' },
              { name: 'since', type: 'dateOnly' },
            ],
          },
        }),
      );
      assert.equal(made.name, 'customers');
      await api.resource('collections').create({
        values: {
          name: 'orders',
          createdBy: true,
          fields: [
            { name: 'no', type: 'string' },
            { name: 'total', type: 'decimal', precision: 10, scale: 2 },
            { name: 'placedAt', type: 'datetime' },
            { name: 'customer', type: 'belongsTo', target: 'customers', foreignKey: 'customerId', reverseField: { name: 'orders', type: 'hasMany' } },
            { name: 'products', type: 'belongsToMany', target: 'customers', through: 'orderProducts' },
          ],
        },
      });
      const fields: Row[] = await data(api.resource('collections.fields', 'customers').list({ paginate: false }));
      assert.ok(fields.some((field) => field.name === 'orders' && field.type === 'hasMany'));
      const listed: Row[] = await data(api.resource('collections').list({ paginate: false, appends: ['fields'] }));
      assert.ok(listed.find((one) => one.name === 'orders')!.fields.length >= 5);
      await assert.rejects(api.resource('collections').create({ values: { name: 'orders' } }), (error: any) => {
        assert.equal(error.response.status, 400);
        assert.match(error.response.data.errors[0].message, /orders/);
        return true;
      });
    });

    it('writes nested records and reads them back', async () => {
      const ann = await data(
        api.resource('customers').create({
          values: {
            name: 'Ann',
            email: 'ann@example.org',
            age: 41,
            vip: true,
            tags: ['a', 'b'],
            since: '2020-02-29',
            orders: [
              { no: 'A1', total: '10.50', placedAt: '2026-01-31T23:30:00.000Z' },
              { no: 'A2', total: 5, placedAt: '2026-02-01T10:00:00.000Z' },
            ],
          },
        }),
      );
      assert.equal(ann.orders.length, 2);
      await api.resource('customers').create({ values: [{ name: 'Bob', email: 'b@example.org', age: 7 }, { name: 'Änne 你好 😀', email: 'c@example.org' }] } as any);
      const got = await data(api.resource('customers').get({ filterByTk: ann.id, appends: ['orders', 'createdBy'] }));
      assert.deepEqual(got.tags, ['a', 'b']);
      assert.equal(got.since, '2020-02-29');
      assert.equal(got.vip, true);
      assert.equal(got.createdBy.username, 'nocobase');
      assert.deepEqual(got.orders.map((order: Row) => Number(order.total)), [10.5, 5]);
      assert.equal(got.orders[0].placedAt, '2026-01-31T23:30:00.000Z');
      assert.equal(await data(api.resource('customers').get({ filterByTk: 999999 })), null);
    });

    it('filters, sorts and pages', async () => {
      assert.deepEqual(await names('customers', { filter: { name: { $includes: 'ANN' } } }), ['Ann']);
      assert.deepEqual(await names('customers', { filter: { name: { $includes: 'ÄNN' } } }), ['Änne 你好 😀']);
      assert.deepEqual(await names('customers', { filter: { 'orders.no': 'A2' } }), ['Ann']);
      assert.deepEqual(await names('orders', { filter: { 'customer.name': 'Ann' }, sort: ['-no'] }), ['A2', 'A1']);
      assert.deepEqual(await names('customers', { filter: { $or: [{ age: { $gt: 40 } }, { age: { $lt: 10 } }] }, sort: 'age' }), ['Bob', 'Ann']);
      assert.deepEqual(await names('customers', { filter: { age: { $empty: true } } }), ['Änne 你好 😀']);
      assert.deepEqual(await names('customers', { filter: { tags: { $anyOf: ['b', 'z'] } } }), ['Ann']);
      const page = await api.resource('customers').list({ sort: ['id'], page: 2, pageSize: 2 });
      assert.deepEqual(page.data.meta, { count: 3, page: 2, pageSize: 2, totalPage: 2 });
      assert.equal(page.data.data.length, 1);
      const all = await api.resource('customers').list({ paginate: false, fields: ['name'] });
      assert.equal(all.data.meta, undefined);
      assert.equal(all.data.data.length, 3);
      assert.deepEqual(Object.keys(all.data.data[0]).filter((key) => key !== 'id'), ['name']);
    });

    it('understands dates in the time zone of the caller', async () => {
      const on = async (zone: string, day: string) => {
        const answer = await api.request({
          url: 'orders:list',
          params: { filter: JSON.stringify({ placedAt: { $dateOn: day } }), sort: 'no' },
          headers: { 'X-Timezone': zone },
        });
        return answer.data.data.map((row: Row) => row.no);
      };
      assert.deepEqual(await on('+00:00', '2026-01-31'), ['A1']);
      assert.deepEqual(await on('+08:00', '2026-02-01'), ['A1', 'A2']);
      assert.deepEqual(await on('+00:00', '2026-02'), ['A2']);
    });

    it('aggregates', async () => {
      const rows = await data(
        api.request({
          url: 'orders:query',
          method: 'post',
          data: { measures: [{ field: 'total', aggregation: 'sum', alias: 'sum' }, { field: 'id', aggregation: 'count', alias: 'n' }], dimensions: [{ field: 'customer.name', alias: 'who' }] },
        }),
      );
      assert.deepEqual(rows, [{ who: 'Ann', sum: 15.5, n: 2 }]);
    });

    it('works with association resources', async () => {
      const [bob] = await data(api.resource('customers').list({ filter: { name: 'Bob' } }));
      const orders = api.resource('customers.orders', bob.id);
      const made = await data(orders.create({ values: { no: 'B1', total: '1' } }));
      assert.equal(made.customerId, bob.id);
      const [a2] = await data(api.resource('orders').list({ filter: { no: 'A2' } }));
      await orders.add({ values: [a2.id] });
      assert.equal((await data(orders.list({}))).length, 2);
      await orders.remove({ values: [a2.id] });
      assert.deepEqual((await data(orders.list({}))).map((row: Row) => row.no), ['B1']);
    });

    it('updates, finds or creates, and destroys', async () => {
      const [b1] = await data(api.resource('orders').list({ filter: { no: 'B1' } }));
      const updated = await data(api.resource('orders').update({ filterByTk: b1.id, values: { total: '2.25' } }));
      assert.equal(Number(updated[0].total), 2.25);
      const again = await data(api.resource('customers').firstOrCreate({ filterKeys: ['email'], values: { email: 'ann@example.org', name: 'x' } }));
      assert.equal(again.name, 'Ann');
      assert.equal(await data(api.resource('orders').destroy({ filterByTk: b1.id })), 1);
      assert.equal(await data(api.resource('orders').get({ filterByTk: b1.id })), null);
      await refused(api.resource('orders').destroy({}), 400, 'FILTER_REQUIRED');
    });

    it('answers bad input with a code and changes nothing', async () => {
      const customers = api.resource('customers');
      const before = (await api.resource('customers').list({})).data.meta.count;
      assert.equal((await refused(customers.create({ values: { nam: 'x' } }), 400, 'UNKNOWN_FIELD')).field, 'nam');
      assert.equal((await refused(customers.create({ values: { name: 'x', age: 'old' } }), 400, 'INVALID_VALUE')).field, 'age');
      assert.equal((await refused(customers.create({ values: { name: 'Z', email: 'ann@example.org' } }), 400, 'UNIQUE_VIOLATION')).field, 'email');
      // The second of three fails: none may stay.
      await refused(customers.create({ values: [{ name: 'Y1', email: 'y1' }, { name: 'Y2', email: 'ann@example.org' }, { name: 'Y3' }] } as any), 400, 'UNIQUE_VIOLATION');
      await refused(customers.create({ values: { name: 'N', email: 'n1', orders: [{ no: 'ok' }, { no: 'bad', total: 'much' }] } }), 400, 'INVALID_VALUE');
      await refused(customers.list({ filter: { nothing: 1 } }), 400, 'UNKNOWN_FIELD');
      await refused(customers.list({ filter: { name: { $no: 1 } } }), 400, 'UNKNOWN_OPERATOR');
      await refused(api.request({ url: 'customers:list?filter=%7Bx' }), 400, 'INVALID_PARAMETER');
      await refused(api.request({ url: 'customers:list?page=-1' }), 400, 'INVALID_PARAMETER');
      const broken = await fetch(`${server.url}/api/customers:create`, {
        method: 'POST',
        body: '{"a":',
        headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${api.auth.getToken()}` },
      });
      assert.equal(broken.status, 400);
      assert.equal(((await broken.json()) as Row).errors[0].code, 'INVALID_JSON');
      await refused(api.request({ url: 'nothing:list' }), 404, 'NOT_FOUND');
      await refused(api.request({ url: 'customers:explode', method: 'post' }), 404, 'NOT_FOUND');
      assert.equal((await api.resource('customers').list({})).data.meta.count, before);
    });

    it('changes the model under existing data, or says why not', async () => {
      const fields = api.resource('collections.fields', 'customers');
      await fields.create({ values: { name: 'score', type: 'double' } });
      await api.resource('customers').update({ filter: { name: 'Ann' }, values: { score: 1.5 } });
      assert.equal((await data(api.resource('customers').get({ filter: { name: 'Ann' } }))).score, 1.5);
      // Names are no numbers.
      await assert.rejects(fields.update({ filterByTk: 'name', values: { type: 'integer' } }), (error: any) => {
        assert.equal(error.response.status, 400, JSON.stringify(error.response.data));
        return true;
      });
      assert.equal((await data(api.resource('customers').get({ filter: { name: 'Ann' } }))).name, 'Ann');
      await fields.create({ values: { name: 'double', type: 'formula', dataType: 'double', engine: 'math.js', expression: '{{score}} * 2 + 1' } });
      await api.resource('customers').update({ filter: { name: 'Ann' }, values: { score: 2.5 } });
      assert.equal((await data(api.resource('customers').get({ filter: { double: 6 } }))).name, 'Ann');
      await refused(fields.create({ values: { name: 'odd', type: 'formula', expression: '{{score}} *' } }), 400, 'INVALID_EXPRESSION');
      await fields.destroy({ filterByTk: 'double' });
      await fields.destroy({ filterByTk: 'score' });
      await refused(api.resource('customers').list({ filter: { score: 1 } }), 400, 'UNKNOWN_FIELD');
    });

    it('gives a role its own rows and fields only', async () => {
      await api.resource('roles').create({ values: { name: 'seller', title: 'Seller', strategy: { actions: ['create', 'view:own', 'update:own'] } } });
      await api.resource('users').create({ values: { username: 'sue', password: 'pass-word-1', roles: ['seller'] } });
      const sue = await signedIn(server.url, 'sue', 'pass-word-1');
      assert.deepEqual(await data(sue.resource('customers').list()), []);
      const own = await data(sue.resource('customers').create({ values: { name: "Sue's", email: 'sue@example.org' } }));
      assert.deepEqual((await data(sue.resource('customers').list())).map((row: Row) => row.name), ["Sue's"]);
      await refused(sue.resource('customers').destroy({ filterByTk: own.id }), 403, 'NO_PERMISSION');
      await refused(sue.resource('collections').create({ values: { name: 'mine' } }), 403, 'NO_PERMISSION');
      await refused(sue.resource('users').list(), 403, 'NO_PERMISSION');
      const [ann] = await data(api.resource('customers').list({ filter: { name: 'Ann' } }));
      await sue.resource('customers').update({ filterByTk: ann.id, values: { name: 'stolen' } }).catch(() => undefined);
      assert.equal((await data(api.resource('customers').get({ filterByTk: ann.id }))).name, 'Ann');

      // Now one collection is configured by itself: only two fields may be seen.
      await api.resource('roles.dataSourceResources', 'seller').create({
        values: { name: 'customers', dataSourceKey: 'main', usingActionsConfig: true, actions: [{ name: 'view', fields: ['name', 'age'] }] },
      });
      const row = (await data(sue.resource('customers').list({ filter: { name: 'Ann' } })))[0];
      assert.equal(row.name, 'Ann');
      assert.equal(row.email, undefined);
      await refused(sue.resource('customers').list({ filter: { email: 'ann@example.org' } }), 403, 'FIELD_NOT_READABLE');
      await refused(sue.resource('customers').create({ values: { name: 'q' } }), 403, 'NO_PERMISSION');
      await refused(signedIn(server.url, 'sue', 'pass-word-2'), 401, 'INVALID_CREDENTIALS');
    });

    it('signs up, changes the password, signs out', async () => {
      const guest = new (api.constructor as any)({ baseURL: `${server.url}/api`, storageType: 'memory' });
      await guest.auth.signUp({ username: 'tom', password: 'first-pass', confirm_password: 'first-pass' });
      const tom = await signedIn(server.url, 'tom', 'first-pass');
      const check = (await tom.request({ url: 'roles:check' })).data.data;
      assert.equal(check.role, 'member');
      await tom.request({ url: 'auth:changePassword', method: 'post', data: { oldPassword: 'first-pass', newPassword: 'second-pass', confirmPassword: 'second-pass' } });
      await refused(signedIn(server.url, 'tom', 'first-pass'), 401, 'INVALID_CREDENTIALS');
      const again = await signedIn(server.url, 'tom', 'second-pass');
      const token = again.auth.getToken();
      await again.auth.signOut();
      again.auth.setToken(token);
      await refused(again.request({ url: 'auth:check' }), 401, 'BLOCKED_TOKEN');
    });

    it('makes API keys that work until they are deleted', async () => {
      const { token } = await data(api.resource('apiKeys').create({ values: { name: 'ci', role: { name: 'root' }, expiresIn: '1d' } }));
      const robot = new (api.constructor as any)({ baseURL: `${server.url}/api`, storageType: 'memory' });
      robot.auth.setToken(token);
      assert.ok((await robot.resource('customers').list()).data.meta.count > 0);
      const [key] = await data(api.resource('apiKeys').list());
      assert.equal(key.token, undefined);
      await api.resource('apiKeys').destroy({ filterByTk: key.id });
      await refused(robot.resource('customers').list(), 401, 'BLOCKED_TOKEN');
    });

    it('describes itself', async () => {
      assert.equal((await data(api.request({ url: 'app:getInfo' }))).database.dialect, dialect);
      assert.equal((await data(api.request({ url: 'app:getLang', params: { locale: 'zh-CN' } }))).lang, 'zh-CN');
      assert.ok((await data(api.request({ url: 'pm:list' }))).length > 5);
      await api.request({ url: 'systemSettings:put', method: 'post', data: { raw_title: 'Ours' } });
      assert.equal((await data(api.request({ url: 'systemSettings:get' }))).title, 'Ours');
      const document = (await api.request({ url: 'swagger:get' })).data;
      const verdict = await new Validator().validate(document);
      assert.deepEqual(verdict.errors ?? [], []);
      assert.ok(document.paths['/orders:list'] && document.components.schemas.orders.properties.total);
      for (const path of ['/healthz/live', '/healthz/ready', '/api/__health_check']) {
        assert.equal((await fetch(server.url + path)).status, 200, path);
      }
    });
  });
}
