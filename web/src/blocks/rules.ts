// Linkage rules of a form: what the values so far show, hide, require, disable or compute.
import type { Row } from '../api/client';
import type { FieldEntry, Rule } from './schema';

export interface FieldState {
  hidden?: boolean;
  required?: boolean;
  disabled?: boolean;
}

function valueAt(values: Row, path: string): unknown {
  return path.split('.').reduce<any>((value, part) => value?.[part], values);
}

const isEmpty = (value: unknown) =>
  value === undefined || value === null || value === '' || (Array.isArray(value) && !value.length);
const asList = (value: unknown): unknown[] =>
  Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];

function test(value: any, operator: string, operand: any): boolean {
  const text = String(value ?? '').toLowerCase();
  const wanted = String(operand ?? '').toLowerCase();
  switch (operator) {
    case '$eq':
      return isEmpty(value) ? isEmpty(operand) : text === wanted;
    case '$ne':
      return !test(value, '$eq', operand);
    case '$gt':
      return !isEmpty(value) && Number(value) > Number(operand);
    case '$gte':
      return !isEmpty(value) && Number(value) >= Number(operand);
    case '$lt':
      return !isEmpty(value) && Number(value) < Number(operand);
    case '$lte':
      return !isEmpty(value) && Number(value) <= Number(operand);
    case '$includes':
      return text.includes(wanted);
    case '$notIncludes':
      return !text.includes(wanted);
    case '$in':
      return asList(operand).some((one) => test(value, '$eq', one));
    case '$notIn':
      return !test(value, '$in', operand);
    case '$anyOf':
      return asList(operand).some((one) => asList(value).map(String).includes(String(one)));
    case '$noneOf':
      return !test(value, '$anyOf', operand);
    case '$match':
      return [...asList(value)].map(String).sort().join('\n') === [...asList(operand)].map(String).sort().join('\n');
    case '$empty':
    case '$notExists':
      return isEmpty(value);
    case '$notEmpty':
    case '$exists':
      return !isEmpty(value);
    case '$isTruly':
      return value === true;
    case '$isFalsy':
      return !value;
    case '$dateOn':
      return !isEmpty(value) && String(value).slice(0, 10) === String(operand).slice(0, 10);
    case '$dateBefore':
      return !isEmpty(value) && String(value).slice(0, 10) < String(operand).slice(0, 10);
    case '$dateAfter':
      return !isEmpty(value) && String(value).slice(0, 10) > String(operand).slice(0, 10);
    case '$dateNotBefore':
      return !isEmpty(value) && !test(value, '$dateBefore', operand);
    case '$dateNotAfter':
      return !isEmpty(value) && !test(value, '$dateAfter', operand);
    default:
      return false;
  }
}

/** Do these values meet the filter? The operators of the filter builder, as the server means them. */
export function matches(filter: Row | undefined, values: Row): boolean {
  if (!filter) return true;
  return Object.entries(filter).every(([key, condition]) => {
    if (key === '$and') return (condition as Row[]).every((one) => matches(one, values));
    if (key === '$or') return !condition.length || (condition as Row[]).some((one) => matches(one, values));
    const value = valueAt(values, key);
    if (condition === null || typeof condition !== 'object') return test(value, '$eq', condition);
    if (Array.isArray(condition)) return test(value, '$in', condition);
    return Object.entries(condition).every(([operator, operand]) =>
      operator.startsWith('$')
        ? test(value, operator, operand)
        : matches({ [operator]: operand }, (value ?? {}) as Row),
    );
  });
}

/** `=price * amount` is computed; anything else is the value itself. Only numbers, fields, + - * / and brackets. */
export function compute(expression: unknown, values: Row): unknown {
  if (typeof expression !== 'string' || !expression.startsWith('=')) return expression;
  const tokens = expression.slice(1).match(/\d+(?:\.\d+)?|[A-Za-z_][\w.]*|[-+*/()]/g) ?? [];
  let at = 0;
  const atom = (): number => {
    const token = tokens[at++];
    if (token === '(') {
      const value = sum();
      at++;
      return value;
    }
    if (token === '-') return -atom();
    if (token === undefined) return Number.NaN;
    return /^\d/.test(token) ? Number(token) : Number(valueAt(values, token) ?? 0);
  };
  const product = (): number => {
    let value = atom();
    while (tokens[at] === '*' || tokens[at] === '/') value = tokens[at++] === '*' ? value * atom() : value / atom();
    return value;
  };
  const sum = (): number => {
    let value = product();
    while (tokens[at] === '+' || tokens[at] === '-')
      value = tokens[at++] === '+' ? value + product() : value - product();
    return value;
  };
  const value = sum();
  return Number.isFinite(value) ? Number(value.toFixed(10)) : null;
}

export interface Effects {
  states: Record<string, FieldState>;
  /** Values to set, where they differ from what is there. */
  values: Row;
}

/** What the rules say for these values. A field with a rule that shows it is hidden while no such rule holds. */
export function applyRules(rules: Rule[] | undefined, fields: FieldEntry[], values: Row): Effects {
  const effects: Effects = { states: Object.fromEntries(fields.map((one) => [one.name, {}])), values: {} };
  const state = (name: string) => {
    effects.states[name] ??= {};
    return effects.states[name];
  };
  for (const rule of rules ?? []) {
    for (const then of rule.effects)
      if (then.action === 'show') for (const name of then.fields) state(name).hidden = true;
  }
  for (const rule of rules ?? []) {
    if (!matches(rule.when, values)) continue;
    for (const then of rule.effects) {
      for (const name of then.fields) {
        if (then.action === 'show') state(name).hidden = false;
        if (then.action === 'hide') state(name).hidden = true;
        if (then.action === 'require') state(name).required = true;
        if (then.action === 'disable') state(name).disabled = true;
        if (then.action === 'set') {
          const value = compute(then.value, values);
          if (JSON.stringify(value ?? null) !== JSON.stringify(values[name] ?? null)) effects.values[name] = value;
        }
      }
    }
  }
  return effects;
}
