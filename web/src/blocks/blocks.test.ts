import { describe, expect, it } from 'vitest';
import type { Collection } from '../model/collections';
import { queryOf } from './chart';
import { defaultPopup, newBlock, resourceOf } from './defaults';
import { blockKinds } from './registry';
import { isPage, withNewUids } from './schema';
import { formatSteps, parseSteps } from './steps';

const orders: Collection = {
  name: 'orders',
  key: 'k2',
  title: 'Orders',
  filterTargetKey: 'id',
  fields: [
    { name: 'id', type: 'snowflakeId', interface: 'id', primaryKey: true },
    { name: 'no', type: 'string', interface: 'input' },
    { name: 'status', type: 'string', interface: 'select', uiSchema: { enum: [{ value: 'a', label: 'A' }] } },
    { name: 'due', type: 'dateOnly', interface: 'date' },
    { name: 'total', type: 'decimal', interface: 'number' },
    { name: 'createdAt', type: 'date', interface: 'createdAt' },
    { name: 'customer', type: 'belongsTo', interface: 'm2o', target: 'customers', foreignKey: 'customerId' },
    { name: 'customerId', type: 'bigInt', interface: 'integer', isForeignKey: true },
  ],
};
const customers: Collection = {
  name: 'customers',
  key: 'k1',
  filterTargetKey: 'id',
  fields: [
    { name: 'id', type: 'snowflakeId', interface: 'id', primaryKey: true },
    { name: 'name', type: 'string', interface: 'input' },
    { name: 'orders', type: 'hasMany', interface: 'o2m', target: 'orders', foreignKey: 'customerId' },
  ],
};
const find = (name?: string) => [orders, customers].find((one) => one.name === name);

describe('kinds of block', () => {
  it('each make a block that is a valid part of a page', () => {
    const blocks = blockKinds.map((kind) => newBlock(kind.type, kind.needs === 'nothing' ? undefined : orders));
    expect(isPage({ blocks })).toBe(true);
    expect(new Set(blocks.map((block) => block.uid)).size).toBe(blockKinds.length);
    for (const block of blocks.filter((one) => one.fields)) {
      // Foreign keys and the key of the record are no business of people.
      expect(block.fields!.map((entry) => entry.name)).not.toContain('customerId');
      expect(block.fields!.map((entry) => entry.name)).not.toContain('id');
    }
  });
  it('choose what suits them', () => {
    expect(newBlock('kanban', orders).options?.group).toBe('status');
    expect(newBlock('calendar', orders).options?.start).toBe('due');
    expect(newBlock('form', orders).fields!.map((entry) => entry.name)).not.toContain('createdAt');
  });
});

describe('popups', () => {
  it('show a record with its related records, without the way back', () => {
    const page = defaultPopup('b1', 'view', customers, find);
    expect(page.blocks.map((block) => block.type)).toEqual(['details', 'table']);
    expect(page.blocks[1].association).toBe('orders');
    expect(page.blocks[1].fields!.map((entry) => entry.name)).not.toContain('customer');
    expect(defaultPopup('b1', 'view', customers, find)).toEqual(page);
  });
  it('stand in the address, whatever is in a key', () => {
    const steps = [
      { kind: 'action' as const, block: 'abc', action: 'view', key: '{"a":"x/y"}' },
      { kind: 'record' as const, collection: 'orders', key: '5' },
    ];
    expect(parseSteps(formatSteps(steps))).toEqual(steps);
    expect(parseSteps('a/abc')).toEqual([]);
  });
  it('ask for records behind the record', () => {
    expect(
      resourceOf(
        { uid: 'x', type: 'table', collection: 'orders', association: 'orders' },
        { collection: 'customers', key: 5 },
      ),
    ).toBe('customers/5/orders');
    expect(resourceOf({ uid: 'x', type: 'table', collection: 'orders' }, { collection: 'customers', key: 5 })).toBe(
      'orders',
    );
  });
});

describe('copies of pages', () => {
  it('have new uids and filters that drive the copies', () => {
    const page = {
      blocks: [
        {
          uid: 'a',
          type: 'table' as const,
          actions: [{ type: 'view' as const, popup: { blocks: [{ uid: 'c', type: 'details' as const }] } }],
        },
        { uid: 'b', type: 'filter' as const, options: { targets: ['a'] } },
      ],
    };
    const copy = withNewUids(page);
    expect(copy.blocks[0].uid).not.toBe('a');
    expect(copy.blocks[0].actions![0].popup!.blocks[0].uid).not.toBe('c');
    expect(copy.blocks[1].options!.targets).toEqual([copy.blocks[0].uid]);
  });
});

describe('charts', () => {
  it('ask the aggregate API', () => {
    const block = {
      uid: 'c',
      type: 'chart' as const,
      options: { kind: 'bar', aggregation: 'sum', measure: 'total', dimension: 'customer', series: 'status' },
    };
    expect(queryOf(block, orders, find)).toMatchObject({
      measures: [{ field: 'total', aggregation: 'sum', alias: 'y' }],
      dimensions: [
        { field: 'customer.name', alias: 'x' },
        { field: 'status', alias: 'series' },
      ],
      orders: [{ alias: 'y', order: 'desc' }],
    });
  });
  it('put time in order', () => {
    const block = {
      uid: 'c',
      type: 'chart' as const,
      options: { kind: 'line', aggregation: 'count', dimension: 'due' },
    };
    expect(queryOf(block, orders, find)).toMatchObject({
      dimensions: [{ field: 'due', format: 'YYYY-MM' }],
      orders: [{ alias: 'x', order: 'asc' }],
    });
  });
});
