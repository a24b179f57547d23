import { describe, expect, it } from 'vitest';
import { applyRules, compute, matches } from './rules';

describe('conditions of rules', () => {
  it('mean what the same filter means on the server', () => {
    const row = {
      name: 'Ann',
      age: 30,
      tags: ['a', 'b'],
      due: '2026-03-05',
      ok: true,
      customer: { id: 7 },
      nothing: null,
    };
    const holds = (filter: object) => matches(filter, row);
    expect(holds({ name: { $includes: 'nN' } })).toBe(true);
    expect(holds({ name: { $notIncludes: 'x' }, age: { $gte: 30 } })).toBe(true);
    expect(holds({ $or: [{ age: { $lt: 3 } }, { ok: { $isTruly: true } }] })).toBe(true);
    expect(holds({ $and: [{ age: { $gt: 30 } }] })).toBe(false);
    expect(holds({ tags: { $anyOf: ['b', 'z'] } })).toBe(true);
    expect(holds({ tags: { $match: ['b', 'a'] } })).toBe(true);
    expect(holds({ due: { $dateOn: '2026-03-05' } })).toBe(true);
    expect(holds({ due: { $dateAfter: '2026-03-05' } })).toBe(false);
    expect(holds({ nothing: { $empty: true }, missing: { $empty: true } })).toBe(true);
    expect(holds({ nothing: { $gt: 1 } })).toBe(false);
    expect(holds({ customer: { id: 7 } })).toBe(true);
    expect(holds({ age: [29, 30] })).toBe(true);
    expect(holds({})).toBe(true);
  });
});

describe('computed values', () => {
  it('follow the usual precedence and know fields', () => {
    expect(compute('=price * amount + 1', { price: 2.5, amount: '4' })).toBe(11);
    expect(compute('=(1 + 2) * -3', {})).toBe(-9);
    expect(compute('=0.1 + 0.2', {})).toBe(0.3);
    expect(compute('=1 / 0', {})).toBe(null);
    expect(compute('plain', {})).toBe('plain');
  });
});

describe('linkage rules', () => {
  const fields = [{ name: 'type' }, { name: 'reason' }, { name: 'total' }];
  it('show a field only while a rule that shows it holds', () => {
    const rules = [
      {
        when: { type: { $eq: 'other' } },
        effects: [
          { action: 'show' as const, fields: ['reason'] },
          { action: 'require' as const, fields: ['reason'] },
        ],
      },
    ];
    expect(applyRules(rules, fields, { type: 'a' }).states.reason).toEqual({ hidden: true });
    expect(applyRules(rules, fields, { type: 'other' }).states.reason).toEqual({ hidden: false, required: true });
    expect(applyRules(rules, fields, {}).states.type).toEqual({});
  });
  it('compute until nothing changes any more', () => {
    const rules = [{ when: {}, effects: [{ action: 'set' as const, fields: ['total'], value: '=price * 2' }] }];
    expect(applyRules(rules, fields, { price: 4 }).values).toEqual({ total: 8 });
    expect(applyRules(rules, fields, { price: 4, total: 8 }).values).toEqual({});
  });
  it('let a later rule win', () => {
    const rules = [
      { when: {}, effects: [{ action: 'hide' as const, fields: ['reason'] }] },
      { when: { type: 'x' }, effects: [{ action: 'show' as const, fields: ['reason'] }] },
    ];
    expect(applyRules(rules, fields, { type: 'x' }).states.reason.hidden).toBe(false);
    expect(applyRules(rules, fields, { type: 'y' }).states.reason.hidden).toBe(true);
  });
});
