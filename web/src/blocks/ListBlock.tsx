// Records as a grid of cards.
import { Pagination } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Row } from '../api/client';
import { useSession } from '../app/session';
import { Value } from '../fields/Value';
import { fieldTitle, keyOf, recordTitle, titleField } from '../model/collections';
import { Failure, Loading, Nothing } from '../ui/states';
import { BlockFrame } from './BlockFrame';
import { type BlockProps, usePage } from './context';
import { BlockTools, RecordActions } from './RecordTools';
import { useRecords } from './useRecords';

export default function ListBlock({ block }: BlockProps) {
  const { t } = useTranslation();
  const session = useSession();
  const page = usePage();
  const collection = session.collection(block.collection);
  const [filter, setFilter] = useState<Row>();
  const [at, setAt] = useState(1);
  const entries = (block.fields ?? []).filter((entry) => collection?.fields.some((field) => field.name === entry.name));
  const pageSize = block.pageSize ?? 12;
  const records = useRecords(block, { names: entries.map((entry) => entry.name), filter, page: at, pageSize });
  if (!collection)
    return <Nothing text={t('The collection "{{name}}" does not exist (any more).', { name: block.collection })} />;
  const view = block.actions?.find((action) => action.type === 'view');
  const content = () => {
    if (records.isError) return <Failure error={records.error} retry={records.refetch} />;
    if (!records.data) return <Loading />;
    if (!records.data.data.length)
      return <Nothing text={filter ? t('No record matches the filter.') : t('There are no records yet.')} />;
    return (
      <div className="cards">
        {records.data.data.map((row) => {
          const key = keyOf(collection, row);
          return (
            <article className="card" key={typeof key === 'object' ? JSON.stringify(key) : key}>
              <h3>
                {view ? (
                  <button type="button" className="link" onClick={() => page.open(block, view, key)}>
                    {recordTitle(collection, row)}
                  </button>
                ) : (
                  recordTitle(collection, row)
                )}
              </h3>
              <dl className="facts">
                {entries
                  .filter((entry) => entry.name !== titleField(collection))
                  .map((entry) => {
                    const field = collection.fields.find((one) => one.name === entry.name)!;
                    return (
                      <div key={entry.name}>
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
              <RecordActions
                block={{ ...block, actions: block.actions?.filter((action) => action.type !== 'view') }}
                collection={collection}
                row={row}
              />
            </article>
          );
        })}
      </div>
    );
  };
  const count = records.data?.meta?.count ?? 0;
  return (
    <BlockFrame
      block={block}
      tools={<BlockTools block={block} collection={collection} filter={filter} setFilter={setFilter} />}
    >
      {content()}
      {count > pageSize && (
        <Pagination
          align="end"
          style={{ marginTop: 12 }}
          current={at}
          pageSize={pageSize}
          total={count}
          showSizeChanger={false}
          onChange={setAt}
        />
      )}
    </BlockFrame>
  );
}
