// The fields of the popup's record, or of the first record that meets the block's filter.
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api } from '../api/client';
import { useSession } from '../app/session';
import { Value } from '../fields/Value';
import { fieldTitle, keyOf, kindOf, recordTitle } from '../model/collections';
import { Failure, Loading, Nothing } from '../ui/states';
import { BlockFrame } from './BlockFrame';
import { type BlockProps, usePage } from './context';
import { RecordActions } from './RecordTools';
import { allOf, fieldsToLoad } from './useRecords';

export default function DetailsBlock({ block }: BlockProps) {
  const { t } = useTranslation();
  const session = useSession();
  const page = usePage();
  const collection = session.collection(block.collection);
  const key = page.parent?.collection === block.collection ? page.parent?.key : undefined;
  const entries = (block.fields ?? []).filter(
    (entry) =>
      collection?.fields.some((field) => field.name === entry.name) && session.can(collection.name, 'view', entry.name),
  );
  const load = collection
    ? fieldsToLoad(
        collection,
        entries.map((entry) => entry.name),
      )
    : { fields: [], appends: [] };
  const filter = allOf(block.filter, page.filters[block.uid]);
  const params = key === undefined ? { ...load, filter, sort: block.sort } : load;
  const record = useQuery({
    queryKey: ['records', block.collection, 'get', key, params],
    queryFn: async ({ signal }) =>
      key === undefined
        ? ((await api.list(collection!.name, { ...params, pageSize: 1 }, signal)).data[0] ?? null)
        : ((await api.get(collection!.name, key, params, signal)) ?? null),
    enabled: !!collection,
  });
  if (!collection)
    return <Nothing text={t('The collection "{{name}}" does not exist (any more).', { name: block.collection })} />;
  const row = record.data;
  const content = () => {
    if (record.isError) return <Failure error={record.error} retry={record.refetch} />;
    if (row === undefined) return <Loading />;
    if (row === null) return <Nothing text={t('This record does not exist (any more).')} />;
    return (
      <dl className="facts">
        {entries.map((entry) => {
          const field = collection.fields.find((one) => one.name === entry.name)!;
          const wide = ['longText', 'markdown', 'json'].includes(kindOf(field));
          return (
            <div key={entry.name} className={wide ? 'wide' : undefined}>
              <dt>{entry.title ?? fieldTitle(field)}</dt>
              <dd>
                <Value
                  full
                  field={field}
                  value={row[entry.name]}
                  open={(name, related) => page.openRecord(name, keyOf(session.collection(name)!, related))}
                />
              </dd>
            </div>
          );
        })}
      </dl>
    );
  };
  return (
    <BlockFrame
      block={block}
      title={row ? recordTitle(collection, row) : ''}
      tools={row && <RecordActions labels block={block} collection={collection} row={row} after={page.close} />}
    >
      {content()}
    </BlockFrame>
  );
}
