// What a template is made of, and installing it through the API: collections, relations, sample records, pages.
import { api, call, type Row } from '../api/client';
import { newBlock } from '../blocks/defaults';
import type { Block, BlockType } from '../blocks/schema';
import type { Collection } from '../model/collections';
import { collectionDefinition } from '../model/interfaces';

/** Chooses the text of the language that is spoken now. */
export type Say = (english: string, chinese: string) => string;

export interface TemplatePage {
  title: string;
  icon: string;
  blocks: { type: BlockType; collection?: string; more?: Partial<Block> }[];
}

export interface Application {
  title: string;
  icon: string;
  collections: { name: string; title: string; titleField?: string; fields: Row[]; sample: Row[] }[];
  pages: TemplatePage[];
}

export const field = {
  text: (name: string, title: string, more: Row = {}) => ({
    name,
    type: 'string',
    interface: 'input',
    uiSchema: { title },
    ...more,
  }),
  long: (name: string, title: string) => ({ name, type: 'text', interface: 'textarea', uiSchema: { title } }),
  email: (name: string, title: string) => ({ name, type: 'string', interface: 'email', uiSchema: { title } }),
  phone: (name: string, title: string) => ({ name, type: 'string', interface: 'phone', uiSchema: { title } }),
  money: (name: string, title: string) => ({
    name,
    type: 'decimal',
    precision: 20,
    scale: 2,
    interface: 'number',
    uiSchema: { title },
  }),
  whole: (name: string, title: string) => ({ name, type: 'bigInt', interface: 'integer', uiSchema: { title } }),
  percent: (name: string, title: string) => ({ name, type: 'double', interface: 'percent', uiSchema: { title } }),
  date: (name: string, title: string) => ({ name, type: 'dateOnly', interface: 'date', uiSchema: { title } }),
  choice: (name: string, title: string, list: [string, string, string][], first?: string) => ({
    name,
    type: 'string',
    interface: 'select',
    defaultValue: first ?? null,
    uiSchema: { title, enum: list.map(([value, label, color]) => ({ value, label, color })) },
  }),
  sequence: (name: string, title: string, prefix: string) => ({
    name,
    type: 'sequence',
    interface: 'sequence',
    uiSchema: { title },
    patterns: [
      { type: 'string', options: { value: prefix } },
      { type: 'integer', options: { digits: 4, start: 1 } },
    ],
  }),
  formula: (name: string, title: string, expression: string) => ({
    name,
    type: 'formula',
    interface: 'formula',
    dataType: 'double',
    engine: 'math.js',
    expression,
    uiSchema: { title },
  }),
  one: (name: string, title: string, target: string, back: string, backTitle: string, onDelete = 'SET NULL') => ({
    name,
    type: 'belongsTo',
    interface: 'm2o',
    target,
    onDelete,
    uiSchema: { title },
    reverseField: { name: back, type: 'hasMany', interface: 'o2m', uiSchema: { title: backTitle } },
  }),
  user: (name: string, title: string) => ({
    name,
    type: 'belongsTo',
    interface: 'm2o',
    target: 'users',
    uiSchema: { title },
  }),
};

/** `days` from now, as a date. */
export function inDays(days: number): string {
  const date = new Date(Date.now() + days * 86_400_000);
  return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, '0')}-${String(date.getDate()).padStart(2, '0')}`;
}

/** Samples name related records by their place: `{customer: '#2'}` is the third one made. */
function resolve(row: Row, fields: Row[], keys: Record<string, number[]>): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => {
      const target = fields.find((one) => one.name === name)?.target;
      return [
        name,
        target && typeof value === 'string' && value.startsWith('#') ? keys[target][Number(value.slice(1))] : value,
      ];
    }),
  );
}

/** Installs; tells how far it is, 0 to 1. Gives back its first page. */
export async function install(app: Application, progress: (done: number) => void): Promise<string | undefined> {
  const steps = app.collections.length * 2 + app.pages.length + 1;
  let done = 0;
  const step = () => progress(++done / steps);
  for (const one of app.collections) {
    await api.create('collections', { ...collectionDefinition(one), titleField: one.titleField });
    step();
  }
  const keys: Record<string, number[]> = {};
  for (const one of app.collections) {
    const rows = one.sample.map((row) => resolve(row, one.fields, keys));
    const made = await api.create<Row[]>(one.name, rows);
    keys[one.name] = made.map((row) => row.id);
    step();
  }
  const model = (await call<Collection[]>('collections:listMeta')).data;
  const group = await api.create('desktopRoutes', { type: 'group', title: app.title, icon: app.icon });
  step();
  let first: string | undefined;
  for (const page of app.pages) {
    const blocks = page.blocks.map(({ type, collection, more }) => {
      const block = newBlock(
        type,
        model.find((one) => one.name === collection),
      );
      return { ...block, ...more, options: { ...block.options, ...more?.options } };
    });
    const route = await api.create('desktopRoutes', {
      type: 'page',
      title: page.title,
      icon: page.icon,
      parentId: group.id,
      schema: { blocks },
    });
    first ??= route.schemaUid;
    step();
  }
  return first;
}
