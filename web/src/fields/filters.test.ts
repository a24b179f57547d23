import { describe, expect, it } from 'vitest';
import { fromFilter, toFilter } from './filters';

describe('the filter builder', () => {
  it('reads back what it wrote', () => {
    const conditions = {
      logic: '$or' as const,
      items: [
        { field: 'name', operator: '$includes', value: 'x' },
        { field: 'owner', operator: '$is', value: { id: '{{$user.id}}' } },
        { field: 'due', operator: '$dateOn', value: { type: 'thisMonth' } },
      ],
    };
    const filter = toFilter(conditions);
    expect(filter).toEqual({
      $or: [
        { name: { $includes: 'x' } },
        { owner: { id: '{{$user.id}}' } },
        { due: { $dateOn: { type: 'thisMonth' } } },
      ],
    });
    expect(fromFilter(filter)).toEqual(conditions);
  });
  it('leaves out what is not finished', () => {
    expect(
      toFilter({
        logic: '$and',
        items: [
          { field: 'name', operator: '$eq' },
          { field: '', operator: '' },
        ],
      }),
    ).toBeUndefined();
  });
  it('does not touch filters it cannot show', () => {
    expect(fromFilter({ $and: [{ a: { $gt: 1, $lt: 3 } }] })).toBeUndefined();
    expect(fromFilter({ $and: [{ $or: [{ a: 1 }] }] })).toBeUndefined();
  });
});
