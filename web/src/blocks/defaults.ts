// What a block or popup shows before anybody has set it up: made from the collection.
import {
  type Collection,
  type Field,
  isReadOnly,
  isRelation,
  isVisible,
  keyField,
  kindOf,
  titleField,
} from '../model/collections';
import type { Action, Block, BlockType, FieldEntry, Page, Parent } from './schema';
import { newUid } from './schema';

const last = ['createdAt', 'updatedAt', 'createdBy', 'updatedBy'];

/** Fields in the order people expect: title first, times and authors last. */
export function shownFields(collection: Collection): Field[] {
  const title = titleField(collection);
  const rank = (field: Field) =>
    field.name === title ? 0 : field.name === keyField(collection) ? 3 : last.includes(field.name) ? 4 : 1;
  return collection.fields
    .filter(
      (field) =>
        isVisible(field) && (field.name !== keyField(collection) || field.name === title || !isReadOnly(field)),
    )
    .map((field, index) => ({ field, index }))
    .sort((a, b) => rank(a.field) - rank(b.field) || a.index - b.index)
    .map((one) => one.field);
}

export function defaultFields(collection: Collection, type: BlockType): FieldEntry[] {
  const fields = shownFields(collection);
  const pick = (list: Field[]) => list.map((field) => ({ name: field.name }));
  switch (type) {
    case 'form':
      return pick(
        fields.filter((field) => !isReadOnly(field) && (kindOf(field) !== 'toMany' || field.type !== 'hasMany')),
      );
    case 'details':
      return pick(fields.filter((field) => kindOf(field) !== 'toMany' || field.type !== 'hasMany'));
    case 'filter':
      return pick(
        fields
          .filter((field) => !last.includes(field.name) && !['json', 'color', 'toMany'].includes(kindOf(field)))
          .slice(0, 4),
      );
    case 'list':
    case 'kanban':
      return pick(
        fields
          .filter((field) => !last.includes(field.name) && !['json', 'longText', 'markdown'].includes(kindOf(field)))
          .slice(0, 5),
      );
    default:
      return pick(
        fields
          .filter(
            (field) =>
              !(kindOf(field) === 'toMany') &&
              !['json', 'markdown', 'updatedAt', 'updatedBy', 'createdBy'].includes(field.interface ?? '') &&
              kindOf(field) !== 'json',
          )
          .slice(0, 8),
      );
  }
}

export const firstOf = (collection: Collection, ...kinds: string[]) =>
  collection.fields.find((field) => isVisible(field) && kinds.includes(kindOf(field)));

/** A new block for a collection. */
export function newBlock(type: BlockType, collection?: Collection, association?: string, uid = newUid()): Block {
  const block: Block = { uid, type, span: 24 };
  if (type === 'markdown') return { ...block, options: { text: '' } };
  if (type === 'iframe') return { ...block, options: { url: '', height: 400 } };
  if (!collection) return block;
  block.collection = collection.name;
  if (association) block.association = association;
  if (type === 'chart') {
    const dimension = firstOf(collection, 'select') ?? firstOf(collection, 'toOne', 'text');
    return {
      ...block,
      span: 12,
      options: { kind: 'bar', measure: keyField(collection), aggregation: 'count', dimension: dimension?.name },
    };
  }
  block.fields = defaultFields(collection, type);
  const add: Action = { type: 'create' };
  if (type === 'table')
    return {
      ...block,
      pageSize: 20,
      actions: [
        { type: 'filter' },
        { type: 'refresh' },
        add,
        { type: 'view' },
        { type: 'update' },
        { type: 'destroy' },
      ],
    };
  if (type === 'list') return { ...block, pageSize: 12, actions: [{ type: 'filter' }, add, { type: 'view' }] };
  if (type === 'kanban')
    return { ...block, options: { group: firstOf(collection, 'select')?.name }, actions: [add, { type: 'view' }] };
  if (type === 'calendar') {
    return {
      ...block,
      options: { start: firstOf(collection, 'date', 'dateTime', 'dateTimeLocal')?.name },
      actions: [add, { type: 'view' }],
    };
  }
  if (type === 'details') return { ...block, actions: [{ type: 'update' }, { type: 'destroy' }] };
  return block;
}

/** The page that an action opens when none was built for it. Its uids are always the same, so that addresses last. */
export function defaultPopup(
  owner: string,
  action: string,
  collection: Collection,
  find: (name?: string) => Collection | undefined,
): Page {
  const uid = `${owner}.${action}`;
  if (action === 'create' || action === 'update' || action === 'duplicate') {
    return { blocks: [newBlock('form', collection, undefined, `${uid}.form`)] };
  }
  const related = collection.fields.filter(
    (field) => field.type === 'hasMany' && isRelation(field) && isVisible(field) && find(field.target),
  );
  return {
    blocks: [
      newBlock('details', collection, undefined, `${uid}.details`),
      ...related.map((field) => {
        const target = find(field.target)!;
        const block = newBlock('table', target, field.name, `${uid}.${field.name}`);
        block.title = field.uiSchema?.title ?? field.name;
        block.pageSize = 10;
        // The way back is already on the screen.
        block.fields = block.fields?.filter((entry) => {
          const one = target.fields.find((candidate) => candidate.name === entry.name);
          return !(one?.target === collection.name && one.foreignKey === field.foreignKey);
        });
        return block;
      }),
    ],
  };
}

/** The address of the records of a block: `orders`, or `customers/5/orders` in a popup. */
export function resourceOf(block: Block, parent?: Parent): string | undefined {
  if (!block.association) return block.collection;
  if (!parent) return undefined;
  const key = typeof parent.key === 'object' ? JSON.stringify(parent.key) : String(parent.key);
  return `${parent.collection}/${encodeURIComponent(key)}/${block.association}`;
}
