// The menu and the pages of the web client: made, changed with versions, seen by the roles they are linked to.
import type { APIClient } from '@nocobase/sdk';
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { data, refused, signedIn, type Row } from '../lib/client.ts';
import { dialects, Server } from '../lib/server.ts';

const block = (uid: string, more: Row = {}) => ({ uid, type: 'markdown', ...more });

for (const dialect of dialects()) {
  describe(`pages on ${dialect}`, () => {
    let server: Server;
    let api: APIClient;
    let member: APIClient;
    before(async () => {
      server = await Server.start(dialect);
      api = await signedIn(server.url);
      await api.resource('users').create({ values: { username: 'mia', password: 'secret-1', roles: ['member'] } });
      member = await signedIn(server.url, 'mia', 'secret-1');
    });
    after(async () => server.stop());

    const make = async (values: Row) => data(api.resource('desktopRoutes').create({ values }));
    const menu = async (by: APIClient): Promise<Row[]> => data(by.resource('desktopRoutes').listAccessible());
    const page = async (by: APIClient, uid: string) => data(by.resource('pages').get({ filterByTk: uid }));
    const save = (by: APIClient, uid: string, version: number, blocks: unknown) =>
      by.request({ url: 'pages:save', method: 'post', params: { filterByTk: uid }, data: { version, schema: { blocks } } });

    it('keeps every version of a page and goes back to one', async () => {
      const route = await make({ title: 'Notes', type: 'page' });
      assert.deepEqual((await page(api, route.schemaUid)).schema, { blocks: [] });
      const saved = await data(save(api, route.schemaUid, 1, [block('a')]));
      assert.equal(saved.version, 2);
      // Who began from an older version must look first; nothing is changed.
      await refused(save(api, route.schemaUid, 1, [block('b')]), 409, 'PAGE_CHANGED');
      await data(save(api, route.schemaUid, 2, [block('b')]));
      const back = await data(api.request({ url: 'pages:restore', method: 'post', params: { filterByTk: route.schemaUid }, data: { version: 2 } }));
      assert.deepEqual(back.schema.blocks, [block('a')]);
      const versions: Row[] = await data(api.resource('pages').versions({ filterByTk: route.schemaUid }));
      assert.deepEqual(versions.map((one) => one.version), [4, 3, 2, 1]);
      assert.equal(versions[0].createdBy.nickname, 'Super Admin');
      await refused(api.request({ url: 'pages:restore', method: 'post', params: { filterByTk: route.schemaUid }, data: { version: 9 } }), 404, 'PAGE_NOT_FOUND');
    });

    it('lets one of several who save at once win', async () => {
      const { schemaUid } = await make({ title: 'Race', type: 'page' });
      const results = await Promise.allSettled(Array.from({ length: 6 }, (_, i) => save(api, schemaUid, 1, [block(`b${i}`)])));
      assert.equal(results.filter((one) => one.status === 'fulfilled').length, 1);
      for (const one of results) if (one.status === 'rejected') assert.equal(one.reason.response.data.errors[0].code, 'PAGE_CHANGED');
      assert.equal((await page(api, schemaUid)).version, 2);
    });

    it('refuses what is no page, at any depth', async () => {
      const { schemaUid } = await make({ title: 'Checked', type: 'page' });
      const cases: [unknown, string][] = [
        ['no list', 'schema.blocks'],
        [[{ type: 'table' }], 'schema.blocks.0.uid'],
        [[{ uid: 'a' }], 'schema.blocks.0.type'],
        [[block('a'), block('a')], 'schema.blocks.1.uid'],
        [[block('a', { actions: [{ type: 'view', popup: { blocks: [block('a')] } }] })], 'schema.blocks.0.actions.0.popup.blocks.0.uid'],
      ];
      for (const [blocks, field] of cases) assert.equal((await refused(save(api, schemaUid, 1, blocks), 400, 'INVALID_PAGE')).field, field);
      assert.equal((await page(api, schemaUid)).version, 1);
    });

    it('shows a page to the roles it is linked to, and to who may edit pages', async () => {
      const group = await make({ title: 'Team', type: 'group' });
      const shown = await make({ title: 'Shown', type: 'page', parentId: group.id, roles: ['member'], schema: { blocks: [block('x')] } });
      const hidden = await make({ title: 'Hidden', type: 'page', parentId: group.id });
      const titles = (items: Row[]): string[] => items.flatMap((item) => [item.title, ...titles(item.children ?? [])]);
      assert.deepEqual(titles(await menu(member)), ['Team', 'Shown']);
      assert.ok(titles(await menu(api)).includes('Hidden'));
      assert.equal((await page(member, shown.schemaUid)).schema.blocks[0].uid, 'x');
      await refused(page(member, hidden.schemaUid), 404, 'PAGE_NOT_FOUND');
      await refused(save(member, shown.schemaUid, 1, []), 403, 'NO_PERMISSION');
      await refused(member.resource('pages').versions({ filterByTk: shown.schemaUid }), 403, 'NO_PERMISSION');
      // Rights on pages are a role's business, too.
      await api.request({ url: 'roles/member/desktopRoutes:add', method: 'post', data: [hidden.id] });
      assert.deepEqual(titles(await menu(member)), ['Team', 'Shown', 'Hidden']);
    });

    it('orders and deletes entries with what is below them', async () => {
      const group = await make({ title: 'Old', type: 'group' });
      await make({ title: 'Below', type: 'page', parentId: group.id });
      const first = (await menu(api))[0];
      await api.request({ url: 'desktopRoutes:move', method: 'post', params: { sourceId: group.id, targetId: first.id } });
      assert.equal((await menu(api))[0].title, 'Old');
      await api.resource('desktopRoutes').destroy({ filterByTk: group.id });
      assert.ok(!JSON.stringify(await menu(api)).includes('Below'));
    });

    it('tells who signed in which roles there are to switch to', async () => {
      assert.deepEqual((await data(member.request({ url: 'auth:check' }))).roles, [{ name: 'member', title: 'Member' }]);
    });
  });
}
