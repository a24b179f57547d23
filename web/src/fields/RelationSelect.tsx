// Picks related records: searches by their title as one types. The value is a row, or a list of rows.
import { useQuery } from '@tanstack/react-query';
import { Select } from 'antd';
import { useMemo, useState } from 'react';
import { api, type Row } from '../api/client';
import { useSession } from '../app/session';
import { type Field, keyField, kindOf, recordTitle, titleField } from '../model/collections';

/** The key that a relation stores. */
export function relationKey(field: Field, fallback: string): string {
  return (
    (field.type === 'belongsTo' || field.type === 'belongsToMany' || field.type === 'belongsToArray'
      ? field.targetKey
      : undefined) || fallback
  );
}

export function RelationSelect({
  field,
  value,
  onChange,
  filter,
  ...rest
}: {
  field: Field;
  value?: Row | Row[] | null;
  onChange?: (value: Row | Row[] | null) => void;
  filter?: unknown;
  id?: string;
  disabled?: boolean;
  'aria-label'?: string;
}) {
  const session = useSession();
  const target = session.collection(field.target);
  const [search, setSearch] = useState('');
  const [opened, setOpened] = useState(false);
  const many = kindOf(field) === 'toMany';
  const title = target ? titleField(target) : 'id';
  const key = target ? keyField(target) : 'id';
  const stored = relationKey(field, key);
  const searchable = target?.fields.some(
    (one) => one.name === title && ['string', 'text', 'sequence'].includes(one.type),
  );
  const conditions = [filter, search && searchable ? { [title]: { $includes: search } } : undefined].filter(Boolean);
  const params = {
    fields: [...new Set([key, stored, title])],
    pageSize: 50,
    sort: searchable ? [title] : undefined,
    filter: conditions.length ? { $and: conditions } : undefined,
  };
  const found = useQuery({
    queryKey: ['records', field.target, 'choice', params],
    queryFn: ({ signal }) => api.list(field.target!, params, signal),
    enabled: opened && !!target,
    placeholderData: (previous) => previous,
  });
  const chosen = useMemo(() => (Array.isArray(value) ? value : value ? [value] : []), [value]);
  const rows = useMemo(() => {
    const all = new Map<string, Row>();
    for (const row of [...chosen, ...(found.data?.data ?? [])]) {
      const id = String(row[stored]);
      if (!all.has(id) || row[title] !== undefined) all.set(id, row);
    }
    return all;
  }, [chosen, found.data, stored, title]);
  const options = [...rows.entries()].map(([id, row]) => ({
    value: id,
    label: target ? recordTitle(target, row) : id,
  }));
  const pick = (ids: string | string[] | undefined) => {
    const list = (Array.isArray(ids) ? ids : ids === undefined ? [] : [ids]).map((id) => rows.get(id)!).filter(Boolean);
    onChange?.(many ? list : (list[0] ?? null));
  };
  return (
    <Select
      {...rest}
      style={{ width: '100%' }}
      mode={many ? 'multiple' : undefined}
      allowClear
      showSearch={{ filterOption: searchable ? false : undefined, onSearch: setSearch, optionFilterProp: 'label' }}
      onOpenChange={(open) => {
        setOpened(open);
        if (!open) setSearch('');
      }}
      loading={found.isFetching}
      options={options}
      value={many ? chosen.map((row) => String(row[stored])) : chosen[0] ? String(chosen[0][stored]) : undefined}
      onChange={pick}
    />
  );
}
