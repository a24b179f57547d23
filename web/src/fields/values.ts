// From what a form holds to what the API takes, and rules of fields as rules of the form.
import type { FormRule } from 'antd';
import type { Row } from '../api/client';
import { i18n } from '../i18n';
import { type Collection, type Field, keyField, kindOf } from '../model/collections';
import { relationKey } from './RelationSelect';

type Find = (name?: string) => Collection | undefined;

/** Related records become their keys; rows edited in place stay objects. */
export function toValue(field: Field, value: unknown, find: Find, inPlace = false): unknown {
  const kind = kindOf(field);
  if (value === undefined) return undefined;
  if (kind !== 'toOne' && kind !== 'toMany') return value;
  const target = find(field.target);
  const key = target ? keyField(target) : 'id';
  const stored = relationKey(field, key);
  const one = (row: any): unknown => {
    if (row === null || typeof row !== 'object') return row;
    if (!inPlace) return row[stored] ?? row[key];
    const values: Row = {};
    for (const inner of target?.fields ?? []) {
      if (
        row[inner.name] === undefined ||
        ['createdAt', 'updatedAt', 'createdBy', 'updatedBy'].includes(inner.interface ?? '') ||
        inner.isForeignKey
      )
        continue;
      values[inner.name] = toValue(inner, row[inner.name], find);
    }
    return values;
  };
  if (kind === 'toMany') return ((value as unknown[]) ?? []).map(one);
  return value === null ? null : one(value);
}

export function formRules(field: Field, required: boolean): FormRule[] {
  const rules: FormRule[] = [];
  if (required) {
    rules.push({
      validator: (_, value) =>
        value === undefined || value === null || value === '' || (Array.isArray(value) && !value.length)
          ? Promise.reject(new Error(i18n.t('This field is required')))
          : Promise.resolve(),
    });
  }
  const kind = kindOf(field);
  if (kind === 'email') rules.push({ type: 'email', message: i18n.t('This is not an email address') });
  if (kind === 'url') rules.push({ type: 'url', message: i18n.t('This is not an address (https://…)') });
  for (const rule of field.validation?.rules ?? []) {
    const limit = rule.args?.limit ?? rule.args?.value;
    if (rule.name === 'min' && kind === 'text')
      rules.push({ min: limit, message: i18n.t('At least {{count}} characters', { count: limit }) });
    if (rule.name === 'max' && kind === 'text')
      rules.push({ max: limit, message: i18n.t('At most {{count}} characters', { count: limit }) });
    if (rule.name === 'pattern') {
      const pattern = toPattern(rule.args?.regex ?? rule.args?.pattern);
      if (pattern) rules.push({ pattern, message: i18n.t('This does not have the right form') });
    }
    if (rule.name === 'min' && ['integer', 'number', 'percent'].includes(kind))
      rules.push(bound((value) => value >= limit, i18n.t('At least {{limit}}', { limit })));
    if (rule.name === 'max' && ['integer', 'number', 'percent'].includes(kind))
      rules.push(bound((value) => value <= limit, i18n.t('At most {{limit}}', { limit })));
  }
  return rules;
}

function bound(holds: (value: number) => boolean, message: string): FormRule {
  return {
    validator: (_, value) =>
      value === null || value === undefined || holds(Number(value))
        ? Promise.resolve()
        : Promise.reject(new Error(message)),
  };
}

function toPattern(text: unknown): RegExp | undefined {
  if (typeof text !== 'string') return undefined;
  const literal = /^\/(.*)\/([a-z]*)$/.exec(text);
  try {
    return literal ? new RegExp(literal[1], literal[2]) : new RegExp(text);
  } catch {
    return undefined;
  }
}

export const isRequired = (field: Field) =>
  field.uiSchema?.required === true ||
  field.allowNull === false ||
  (field.validation?.rules ?? []).some((rule) => rule.name === 'required');
