// The data model as the client sees it: collections and fields of `collections:listMeta`.
import type { Row } from '../api/client';
import { i18n } from '../i18n';

export interface Option {
  value: string;
  label: string;
  color?: string;
}

export interface Field {
  key?: string | null;
  name: string;
  type: string;
  interface?: string | null;
  uiSchema?: {
    title?: string;
    enum?: Option[];
    required?: boolean;
    'x-component-props'?: Row;
    [key: string]: any;
  };
  collectionName?: string;
  target?: string;
  foreignKey?: string;
  otherKey?: string;
  sourceKey?: string;
  targetKey?: string;
  through?: string;
  primaryKey?: boolean;
  autoIncrement?: boolean;
  hidden?: boolean;
  isForeignKey?: boolean;
  defaultValue?: unknown;
  unique?: boolean;
  validation?: { type?: string; rules?: { key?: string; name: string; args?: Row }[] };
  [key: string]: any;
}

export interface Collection {
  key?: string | null;
  name: string;
  title?: string;
  template?: string;
  titleField?: string;
  filterTargetKey?: string | string[];
  hidden?: boolean;
  tree?: string;
  unavailableActions?: string[];
  autoGenId?: boolean;
  isThrough?: boolean;
  fields: Field[];
  [key: string]: any;
}

/** What a field is to a person: decides how it is shown, edited and filtered. */
export type Kind =
  | 'text'
  | 'longText'
  | 'markdown'
  | 'email'
  | 'url'
  | 'phone'
  | 'color'
  | 'password'
  | 'integer'
  | 'number'
  | 'percent'
  | 'boolean'
  | 'select'
  | 'multiSelect'
  | 'dateTime'
  | 'dateTimeLocal'
  | 'date'
  | 'time'
  | 'json'
  | 'toOne'
  | 'toMany'
  | 'list'
  | 'other';

const byInterface: Record<string, Kind> = {
  input: 'text',
  textarea: 'longText',
  markdown: 'markdown',
  vditor: 'markdown',
  richText: 'longText',
  email: 'email',
  url: 'url',
  phone: 'phone',
  color: 'color',
  password: 'password',
  integer: 'integer',
  number: 'number',
  percent: 'percent',
  checkbox: 'boolean',
  select: 'select',
  radioGroup: 'select',
  multipleSelect: 'multiSelect',
  checkboxGroup: 'multiSelect',
  datetime: 'dateTime',
  datetimeNoTz: 'dateTimeLocal',
  unixTimestamp: 'dateTime',
  createdAt: 'dateTime',
  updatedAt: 'dateTime',
  date: 'date',
  time: 'time',
  json: 'json',
};

const byType: Record<string, Kind> = {
  string: 'text',
  uid: 'text',
  uuid: 'text',
  nanoid: 'text',
  sequence: 'text',
  text: 'longText',
  integer: 'integer',
  bigInt: 'integer',
  snowflakeId: 'integer',
  sort: 'integer',
  float: 'number',
  double: 'number',
  real: 'number',
  decimal: 'number',
  boolean: 'boolean',
  radio: 'boolean',
  date: 'dateTime',
  datetime: 'dateTime',
  datetimeTz: 'dateTime',
  unixTimestamp: 'dateTime',
  datetimeNoTz: 'dateTimeLocal',
  dateOnly: 'date',
  time: 'time',
  password: 'password',
  json: 'json',
  jsonb: 'json',
  array: 'list',
  set: 'list',
  belongsTo: 'toOne',
  hasOne: 'toOne',
  hasMany: 'toMany',
  belongsToMany: 'toMany',
  belongsToArray: 'toMany',
};

export function kindOf(field: Field): Kind {
  if (field.type === 'formula') {
    if (field.interface === 'percent') return 'percent';
    return byType[field.dataType === 'integer' ? 'integer' : (field.dataType ?? 'double')] ?? 'number';
  }
  const relation = byType[field.type];
  if (relation === 'toOne' || relation === 'toMany') return relation;
  return (field.interface && byInterface[field.interface]) || byType[field.type] || 'other';
}

export const isRelation = (field: Field) => ['toOne', 'toMany'].includes(kindOf(field));

/** Values of these are made by the server. */
export function isReadOnly(field: Field): boolean {
  return (
    ['formula', 'context', 'virtual', 'sort', 'snowflakeId'].includes(field.type) ||
    (field.type === 'sequence' && !field.inputable) ||
    ['id', 'createdAt', 'updatedAt', 'createdBy', 'updatedBy'].includes(field.interface ?? '') ||
    ['createdBy', 'updatedBy', 'createdAt', 'updatedAt', 'deletedAt'].includes(field.name) ||
    field.autoIncrement === true
  );
}

/** Fields a person deals with: no foreign keys, no hidden ones. */
export function isVisible(field: Field): boolean {
  return (
    !field.hidden && !field.isForeignKey && (!!field.interface || !!field.primaryKey) && field.interface !== 'password'
  );
}

export function fieldTitle(field: Field): string {
  const title = field.uiSchema?.title;
  if (title) return i18n.t(title);
  const system: Record<string, string> = {
    id: 'ID',
    createdAt: i18n.t('Created at'),
    updatedAt: i18n.t('Last updated at'),
    createdBy: i18n.t('Created by'),
    updatedBy: i18n.t('Last updated by'),
  };
  return system[field.name] ?? field.name;
}

export const collectionTitle = (collection: Collection) =>
  collection.title ? i18n.t(collection.title) : collection.name;

export function keyField(collection: Collection): string {
  const key = collection.filterTargetKey;
  if (Array.isArray(key)) return key[0] ?? 'id';
  return key || collection.fields.find((field) => field.primaryKey)?.name || 'id';
}

export function keyOf(collection: Collection, row: Row): any {
  const key = collection.filterTargetKey;
  if (Array.isArray(key) && key.length > 1) return Object.fromEntries(key.map((name) => [name, row[name]]));
  return row[keyField(collection)];
}

/** The field that stands for a record: the title field, else the first text, else the key. */
export function titleField(collection: Collection): string {
  // The server names the key where nobody has chosen.
  if (collection.titleField && collection.titleField !== keyField(collection)) return collection.titleField;
  const named = collection.fields.find((field) => ['name', 'title', 'subject'].includes(field.name));
  if (named) return named.name;
  const text = collection.fields.find((field) => field.interface === 'input');
  return text?.name ?? keyField(collection);
}

export function recordTitle(collection: Collection, row: Row | null | undefined): string {
  if (!row) return '';
  const value = row[titleField(collection)];
  if (value !== undefined && value !== null && value !== '') return String(value);
  const key = keyOf(collection, row);
  return key === undefined ? '' : `#${typeof key === 'object' ? JSON.stringify(key) : key}`;
}

/** Collections people make and work with, not those of the system. */
export function isBusiness(collection: Collection): boolean {
  return !!collection.key && !collection.hidden && !collection.isThrough && collection.template !== 'internal';
}

/** Associations to load for showing these fields. */
export function appendsOf(collection: Collection, names: string[]): string[] {
  return names.filter((name) => {
    const field = collection.fields.find((one) => one.name === name);
    return field && isRelation(field);
  });
}
