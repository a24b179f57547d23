// The JSON of a page, as docs/pages.md describes it. Popups are pages inside of actions, to any depth.
import type { Row } from '../api/client';

export type ActionType = 'create' | 'view' | 'update' | 'destroy' | 'duplicate' | 'filter' | 'link' | 'refresh';

export interface Action {
  type: ActionType;
  title?: string;
  /** `link`: an address; `{{name}}` stands for a field of the record. */
  href?: string;
  /** What opens. Absent: made from the collection. */
  popup?: Page;
  show?: 'drawer' | 'dialog';
  width?: number;
}

export interface FieldEntry {
  name: string;
  title?: string;
  width?: number;
  fixed?: 'left' | 'right';
  readOnly?: boolean;
  /** Of 24 columns in a form. */
  span?: number;
  /** How a to-many relation is edited: picked, or its records in a table of their own. */
  mode?: 'select' | 'table' | 'form';
  section?: string;
  defaultValue?: unknown;
}

export interface Rule {
  /** A filter on the form's values, as the API has them. */
  when: Row;
  effects: { action: 'show' | 'hide' | 'require' | 'disable' | 'set'; fields: string[]; value?: unknown }[];
}

export type BlockType =
  | 'table'
  | 'form'
  | 'details'
  | 'list'
  | 'kanban'
  | 'calendar'
  | 'chart'
  | 'filter'
  | 'markdown'
  | 'iframe';

export interface Block {
  uid: string;
  type: BlockType;
  title?: string;
  span?: number;
  collection?: string;
  /** In popups: the records of this association of the popup's record. */
  association?: string;
  fields?: FieldEntry[];
  filter?: Row;
  sort?: string[];
  pageSize?: number;
  actions?: Action[];
  rules?: Rule[];
  options?: Row;
}

export interface Page {
  title?: string;
  blocks: Block[];
}

/** The record a popup was opened for. */
export interface Parent {
  collection: string;
  key: unknown;
}

export function newUid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => 'abcdefghijklmnopqrstuvwxyz234567'[byte % 32]).join('');
}

/** A copy with new uids at every depth: for duplicates and imported pages. */
export function withNewUids(page: Page): Page {
  const names = new Map<string, string>();
  const block = (one: Block): Block => {
    names.set(one.uid, newUid());
    return {
      ...one,
      uid: names.get(one.uid)!,
      actions: one.actions?.map((action) => (action.popup ? { ...action, popup: copy(action.popup) } : action)),
    };
  };
  const copy = (one: Page): Page => ({ ...one, blocks: one.blocks.map(block) });
  const made = copy(page);
  // Filter blocks name the blocks they drive.
  const retarget = (one: Page): Page => ({
    ...one,
    blocks: one.blocks.map((item) => ({
      ...item,
      ...(item.options?.targets
        ? { options: { ...item.options, targets: item.options.targets.map((uid: string) => names.get(uid) ?? uid) } }
        : {}),
      actions: item.actions?.map((action) => (action.popup ? { ...action, popup: retarget(action.popup) } : action)),
    })),
  });
  return retarget(made);
}

/** Is this a page? The server checks it as well; this is for files people choose. */
export function isPage(value: unknown): value is Page {
  const blocks = (value as Page | null)?.blocks;
  return Array.isArray(blocks) && blocks.every((one) => typeof one?.uid === 'string' && typeof one.type === 'string');
}
