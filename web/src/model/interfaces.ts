// Every kind of field people can add, by group, and the definition each makes. A new one is a line here.
import type { Row } from '../api/client';

export type OptionName =
  | 'enum'
  | 'scale'
  | 'unit'
  | 'target'
  | 'inverse'
  | 'through'
  | 'onDelete'
  | 'formula'
  | 'patterns'
  | 'length'
  | 'required'
  | 'unique'
  | 'default'
  | 'limits';

export interface FieldInterface {
  name: string;
  title: string;
  hint?: string;
  group: 'Basic' | 'Choices' | 'Date and time' | 'Relations' | 'Advanced';
  /** What the server stores. */
  make: Row;
  options: OptionName[];
}

const basic: OptionName[] = ['required', 'unique', 'default', 'length'];

export const interfaces: FieldInterface[] = [
  { name: 'input', title: 'Single line text', group: 'Basic', make: { type: 'string' }, options: basic },
  {
    name: 'textarea',
    title: 'Long text',
    group: 'Basic',
    make: { type: 'text' },
    options: ['required', 'default', 'length'],
  },
  {
    name: 'markdown',
    title: 'Formatted text',
    hint: 'Markdown',
    group: 'Basic',
    make: { type: 'text' },
    options: ['required', 'default'],
  },
  {
    name: 'integer',
    title: 'Whole number',
    group: 'Basic',
    make: { type: 'bigInt' },
    options: ['unit', 'required', 'unique', 'default', 'limits'],
  },
  {
    name: 'number',
    title: 'Number',
    hint: 'With decimals',
    group: 'Basic',
    make: { type: 'decimal', precision: 20 },
    options: ['scale', 'unit', 'required', 'default', 'limits'],
  },
  { name: 'percent', title: 'Percent', group: 'Basic', make: { type: 'double' }, options: ['required', 'default'] },
  {
    name: 'email',
    title: 'Email',
    group: 'Basic',
    make: { type: 'string' },
    options: ['required', 'unique', 'default'],
  },
  {
    name: 'phone',
    title: 'Phone',
    group: 'Basic',
    make: { type: 'string' },
    options: ['required', 'unique', 'default'],
  },
  { name: 'url', title: 'Web address', group: 'Basic', make: { type: 'text' }, options: ['required', 'default'] },
  { name: 'color', title: 'Colour', group: 'Basic', make: { type: 'string' }, options: ['required', 'default'] },
  {
    name: 'password',
    title: 'Password',
    hint: 'Stored so that nobody can read it',
    group: 'Basic',
    make: { type: 'password', hidden: true },
    options: ['required'],
  },
  { name: 'checkbox', title: 'Checkbox', group: 'Choices', make: { type: 'boolean' }, options: ['default'] },
  {
    name: 'select',
    title: 'Single choice',
    group: 'Choices',
    make: { type: 'string' },
    options: ['enum', 'required', 'default'],
  },
  {
    name: 'multipleSelect',
    title: 'Several choices',
    group: 'Choices',
    make: { type: 'array', defaultValue: [] },
    options: ['enum', 'required'],
  },
  { name: 'date', title: 'Date', group: 'Date and time', make: { type: 'dateOnly' }, options: ['required', 'default'] },
  {
    name: 'datetime',
    title: 'Date and time',
    hint: 'The same moment in every time zone',
    group: 'Date and time',
    make: { type: 'date' },
    options: ['required'],
  },
  {
    name: 'datetimeNoTz',
    title: 'Local date and time',
    hint: 'As on the clock, without a time zone',
    group: 'Date and time',
    make: { type: 'datetimeNoTz' },
    options: ['required'],
  },
  { name: 'time', title: 'Time of day', group: 'Date and time', make: { type: 'time' }, options: ['required'] },
  {
    name: 'unixTimestamp',
    title: 'Unix timestamp',
    group: 'Date and time',
    make: { type: 'unixTimestamp', accuracy: 'second' },
    options: ['required'],
  },
  {
    name: 'm2o',
    title: 'One of another collection',
    hint: 'Many to one: each order has one customer',
    group: 'Relations',
    make: { type: 'belongsTo' },
    options: ['target', 'inverse', 'onDelete', 'required'],
  },
  {
    name: 'o2m',
    title: 'Several that belong to this',
    hint: 'One to many: a customer has many orders',
    group: 'Relations',
    make: { type: 'hasMany' },
    options: ['target', 'inverse', 'onDelete'],
  },
  {
    name: 'm2m',
    title: 'Several on both sides',
    hint: 'Many to many: articles and tags',
    group: 'Relations',
    make: { type: 'belongsToMany' },
    options: ['target', 'inverse'],
  },
  {
    name: 'oho',
    title: 'One that belongs to this',
    hint: 'One to one: a person has one passport',
    group: 'Relations',
    make: { type: 'hasOne' },
    options: ['target', 'inverse', 'onDelete'],
  },
  {
    name: 'formula',
    title: 'Formula',
    hint: 'Computed from other fields',
    group: 'Advanced',
    make: { type: 'formula', dataType: 'double', engine: 'math.js' },
    options: ['formula'],
  },
  {
    name: 'sequence',
    title: 'Automatic number',
    hint: 'INV-00001, INV-00002, …',
    group: 'Advanced',
    make: { type: 'sequence' },
    options: ['patterns'],
  },
  {
    name: 'sort',
    title: 'Order by hand',
    hint: 'Records can be dragged into an order',
    group: 'Advanced',
    make: { type: 'sort' },
    options: [],
  },
  { name: 'json', title: 'JSON', group: 'Advanced', make: { type: 'json' }, options: ['required'] },
  { name: 'uuid', title: 'UUID', group: 'Advanced', make: { type: 'uuid' }, options: [] },
  { name: 'nanoid', title: 'Short random id', group: 'Advanced', make: { type: 'nanoid' }, options: [] },
];

export const interfaceOf = (name: string | null | undefined) => interfaces.find((one) => one.name === name);

/** `Due date` becomes `dueDate`; texts without Latin letters get a random name. */
export function nameFrom(title: string, prefix: string): string {
  const words = title
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean);
  const name = words
    .map((word, index) => (index ? word[0].toUpperCase() + word.slice(1).toLowerCase() : word.toLowerCase()))
    .join('');
  if (/^[a-z]/.test(name)) return name.slice(0, 50);
  return `${prefix}_${Math.random().toString(36).slice(2, 10)}`;
}

/** The fields every new collection begins with. */
export const presetFields = [
  { name: 'id', type: 'snowflakeId', primaryKey: true, allowNull: false, interface: 'id', uiSchema: { title: 'ID' } },
  { name: 'createdAt', type: 'date', interface: 'createdAt', field: 'createdAt', uiSchema: { title: 'Created at' } },
  {
    name: 'createdBy',
    type: 'belongsTo',
    interface: 'createdBy',
    target: 'users',
    foreignKey: 'createdById',
    uiSchema: { title: 'Created by' },
  },
  {
    name: 'updatedAt',
    type: 'date',
    interface: 'updatedAt',
    field: 'updatedAt',
    uiSchema: { title: 'Last updated at' },
  },
  {
    name: 'updatedBy',
    type: 'belongsTo',
    interface: 'updatedBy',
    target: 'users',
    foreignKey: 'updatedById',
    uiSchema: { title: 'Last updated by' },
  },
];

/** The definition of a new collection. */
export function collectionDefinition(values: { name: string; title: string; template?: string; fields?: Row[] }): Row {
  const fields = [...presetFields, ...(values.fields ?? [])];
  const definition: Row = {
    name: values.name,
    title: values.title,
    template: values.template ?? 'general',
    autoGenId: false,
    createdAt: true,
    updatedAt: true,
    createdBy: true,
    updatedBy: true,
    fields,
  };
  if (values.template === 'tree') definition.tree = 'adjacencyList';
  if (values.template === 'tree') {
    fields.push(
      { name: 'parentId', type: 'bigInt', isForeignKey: true, interface: 'integer', uiSchema: { title: 'Parent ID' } },
      {
        name: 'parent',
        type: 'belongsTo',
        interface: 'm2o',
        treeParent: true,
        target: values.name,
        foreignKey: 'parentId',
        onDelete: 'CASCADE',
        uiSchema: { title: 'Parent' },
      },
      {
        name: 'children',
        type: 'hasMany',
        interface: 'o2m',
        treeChildren: true,
        target: values.name,
        foreignKey: 'parentId',
        onDelete: 'CASCADE',
        uiSchema: { title: 'Children' },
      },
    );
  }
  if (values.template === 'calendar') {
    fields.push(
      { name: 'title', type: 'string', interface: 'input', uiSchema: { title: 'Title' } },
      { name: 'start', type: 'date', interface: 'datetime', uiSchema: { title: 'Begins' } },
      { name: 'end', type: 'date', interface: 'datetime', uiSchema: { title: 'Ends' } },
    );
  }
  return definition;
}
