// Filter operators by kind of field, and what the filter builder makes of them.
import type { Row } from '../api/client';
import { type Field, kindOf } from '../model/collections';

export interface Operator {
  value: string;
  label: string;
  /** Needs no value. */
  bare?: boolean;
  many?: boolean;
}

const empty: Operator[] = [
  { value: '$empty', label: 'is empty', bare: true },
  { value: '$notEmpty', label: 'is not empty', bare: true },
];
const text: Operator[] = [
  { value: '$includes', label: 'contains' },
  { value: '$notIncludes', label: 'does not contain' },
  { value: '$eq', label: 'is' },
  { value: '$ne', label: 'is not' },
  ...empty,
];
const number: Operator[] = [
  { value: '$eq', label: '=' },
  { value: '$ne', label: '≠' },
  { value: '$gt', label: '>' },
  { value: '$gte', label: '≥' },
  { value: '$lt', label: '<' },
  { value: '$lte', label: '≤' },
  ...empty,
];
const choice: Operator[] = [
  { value: '$eq', label: 'is' },
  { value: '$ne', label: 'is not' },
  { value: '$in', label: 'is one of', many: true },
  { value: '$notIn', label: 'is none of', many: true },
  ...empty,
];
const list: Operator[] = [
  { value: '$anyOf', label: 'has any of', many: true },
  { value: '$noneOf', label: 'has none of', many: true },
  { value: '$match', label: 'is exactly', many: true },
  ...empty,
];
const date: Operator[] = [
  { value: '$dateOn', label: 'is on' },
  { value: '$dateBefore', label: 'is before' },
  { value: '$dateAfter', label: 'is after' },
  { value: '$dateNotBefore', label: 'is on or after' },
  { value: '$dateNotAfter', label: 'is on or before' },
  ...empty,
];
const relation: Operator[] = [
  { value: '$is', label: 'is' },
  { value: '$exists', label: 'exists', bare: true },
  { value: '$notExists', label: 'does not exist', bare: true },
];

export function operatorsOf(field: Field): Operator[] {
  switch (kindOf(field)) {
    case 'integer':
    case 'number':
    case 'percent':
      return number;
    case 'boolean':
      return [
        { value: '$isTruly', label: 'is yes', bare: true },
        { value: '$isFalsy', label: 'is no', bare: true },
      ];
    case 'select':
      return choice;
    case 'multiSelect':
    case 'list':
      return list;
    case 'date':
    case 'dateTime':
    case 'dateTimeLocal':
      return date;
    case 'time':
      return number.filter((one) => ['$eq', '$ne', '$empty', '$notEmpty'].includes(one.value));
    case 'toOne':
    case 'toMany':
      return relation;
    case 'json':
    case 'password':
      return empty;
    default:
      return text;
  }
}

/** Periods offered beside a single day. */
export const periods: Record<string, string> = {
  today: 'Today',
  yesterday: 'Yesterday',
  tomorrow: 'Tomorrow',
  thisWeek: 'This week',
  lastWeek: 'Last week',
  nextWeek: 'Next week',
  thisMonth: 'This month',
  lastMonth: 'Last month',
  nextMonth: 'Next month',
  thisQuarter: 'This quarter',
  thisYear: 'This year',
  lastYear: 'Last year',
};

export interface Condition {
  field: string;
  operator: string;
  value?: any;
}
export interface Conditions {
  logic: '$and' | '$or';
  items: Condition[];
}

export function toFilter({ logic, items }: Conditions): Row | undefined {
  const list = items
    .filter((one) => one.field && one.operator)
    .filter((one) => one.value !== undefined && one.value !== '' && one.value !== null)
    .map((one) =>
      one.operator === '$is' ? { [`${one.field}`]: one.value } : { [one.field]: { [one.operator]: one.value } },
    );
  if (!list.length) return undefined;
  return { [logic]: list };
}

/** The other way round, for filters this builder made; undefined for others, which are edited as JSON. */
export function fromFilter(filter: Row | undefined | null): Conditions | undefined {
  if (!filter || !Object.keys(filter).length) return { logic: '$and', items: [] };
  const logic = '$or' in filter ? '$or' : '$and';
  const list = filter[logic];
  if (Object.keys(filter).length !== 1) return undefined;
  const items: Condition[] = [];
  for (const one of Array.isArray(list) ? list : [filter]) {
    const [[field, test], ...more] = Object.entries<any>(one);
    if (more.length || field.startsWith('$')) return undefined;
    if (test === null || typeof test !== 'object' || Array.isArray(test)) {
      items.push({ field, operator: Array.isArray(test) ? '$in' : '$eq', value: test });
      continue;
    }
    const entries = Object.entries<any>(test);
    if (entries.length !== 1) return undefined;
    if (!entries[0][0].startsWith('$')) items.push({ field, operator: '$is', value: test });
    else items.push({ field, operator: entries[0][0], value: entries[0][1] });
  }
  return { logic, items };
}
