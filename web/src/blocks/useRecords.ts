// The records of a block: one request, read again when something changes.
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import { api, type Row } from '../api/client';
import { useSession } from '../app/session';
import { appendsOf, type Collection, keyField, titleField } from '../model/collections';
import { useFeedback } from '../ui/feedback';
import { usePage } from './context';
import { resourceOf } from './defaults';
import type { Block } from './schema';

export function allOf(...filters: (Row | undefined | null)[]): Row | undefined {
  const given = filters.filter((one): one is Row => !!one && Object.keys(one).length > 0);
  return given.length > 1 ? { $and: given } : given[0];
}

/** Variables that only the client knows: `{{$parent.x}}` is the popup's record. */
export function withParent(filter: Row | undefined, parentKey: unknown): Row | undefined {
  if (!filter || parentKey === undefined) return filter;
  return JSON.parse(JSON.stringify(filter), (_, value) => (value === '{{$parent.key}}' ? parentKey : value));
}

export function fieldsToLoad(collection: Collection, names: string[]): { fields: string[]; appends: string[] } {
  const appends = appendsOf(collection, names);
  const plain = names.filter(
    (name) => !appends.includes(name) && collection.fields.some((field) => field.name === name),
  );
  const keys = Array.isArray(collection.filterTargetKey) ? collection.filterTargetKey : [keyField(collection)];
  return { fields: [...new Set([...keys, titleField(collection), ...plain])], appends };
}

export interface Asked {
  names: string[];
  filter?: Row;
  sort?: string[];
  page?: number;
  pageSize?: number;
  tree?: boolean;
  enabled?: boolean;
}

export function useRecords(block: Block, asked: Asked) {
  const session = useSession();
  const { parent, filters } = usePage();
  const collection = session.collection(block.collection);
  const resource = resourceOf(block, parent);
  const load = collection ? fieldsToLoad(collection, asked.names) : { fields: [], appends: [] };
  const params = {
    ...load,
    filter: allOf(withParent(block.filter, parent?.key), filters[block.uid], asked.filter),
    sort: asked.sort?.length ? asked.sort : block.sort,
    page: asked.page ?? 1,
    pageSize: asked.pageSize ?? block.pageSize ?? 20,
    ...(asked.tree ? { tree: true } : {}),
  };
  return useQuery({
    queryKey: ['records', block.collection, 'list', resource, params],
    queryFn: ({ signal }) => api.list(resource!, params, signal),
    enabled: !!resource && !!collection && asked.enabled !== false,
    placeholderData: keepPreviousData,
  });
}

/** Deletes with a way back, where the records can be made again as they were. */
export function useDelete(collection: Collection | undefined) {
  const client = useQueryClient();
  const { undoable, failed } = useFeedback();
  return useCallback(
    async (keys: unknown[], text: string) => {
      if (!collection || !keys.length) return false;
      try {
        const rows = await Promise.all(
          keys.slice(0, 50).map((key) => api.get(collection.name, key, { appends: linksOf(collection) })),
        );
        await api.destroy(collection.name, keys.length === 1 ? keys[0] : keys);
        client.invalidateQueries({ queryKey: ['records'] });
        undoable(text, async () => {
          try {
            for (const row of rows) if (row) await api.create(collection.name, asNew(collection, row));
            client.invalidateQueries({ queryKey: ['records'] });
          } catch (error) {
            failed(error);
          }
        });
        return true;
      } catch (error) {
        failed(error);
        return false;
      }
    },
    [collection, client, undoable, failed],
  );
}

const linksOf = (collection: Collection) =>
  collection.fields.filter((field) => field.type === 'belongsToMany').map((field) => field.name);

/** A deleted record as values for `create`: with its key, without what the server makes. */
export function asNew(collection: Collection, row: Row): Row {
  const values: Row = {};
  for (const field of collection.fields) {
    const value = row[field.name];
    if (value === undefined || value === null) continue;
    if (['hasOne', 'hasMany', 'belongsTo', 'formula', 'context', 'virtual'].includes(field.type)) continue;
    if (['createdAt', 'updatedAt', 'createdBy', 'updatedBy'].includes(field.interface ?? '')) continue;
    if (field.type === 'belongsToMany') {
      const key = field.targetKey ?? 'id';
      values[field.name] = (value as Row[]).map((one) => one[key]);
    } else values[field.name] = value;
  }
  return values;
}
