// Records as rows. Sorting, filtering and paging are done by the server; long pages are virtualised.
import { SettingOutlined } from '@ant-design/icons';
import { useQueryClient } from '@tanstack/react-query';
import { Button, Checkbox, Popover, Table, type TableColumnsType, Tooltip } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, type Row, storage } from '../api/client';
import { useSession } from '../app/session';
import { FieldInput } from '../fields/FieldInput';
import { Value } from '../fields/Value';
import {
  type Collection,
  type Field,
  fieldTitle,
  isReadOnly,
  isRelation,
  keyOf,
  kindOf,
  titleField,
} from '../model/collections';
import { useFeedback } from '../ui/feedback';
import { Failure, Nothing } from '../ui/states';
import { BlockFrame } from './BlockFrame';
import { type BlockProps, usePage } from './context';
import { BlockTools, RecordActions } from './RecordTools';
import type { FieldEntry } from './schema';
import { useDelete, useRecords } from './useRecords';

const virtualFrom = 100;

function useHidden(uid: string) {
  const key = `columns.${uid}`;
  const [hidden, set] = useState<string[]>(() => JSON.parse(storage.get(key) || '[]'));
  const toggle = (name: string) => {
    const next = hidden.includes(name) ? hidden.filter((one) => one !== name) : [...hidden, name];
    storage.set(key, next.length ? JSON.stringify(next) : '');
    set(next);
  };
  return { hidden, toggle };
}

function InlineCell({
  field,
  row,
  collection,
  done,
}: {
  field: Field;
  row: Row;
  collection: Collection;
  done: () => void;
}) {
  const { failed } = useFeedback();
  const client = useQueryClient();
  const [value, setValue] = useState(row[field.name]);
  const save = async (next = value) => {
    if (JSON.stringify(next) !== JSON.stringify(row[field.name])) {
      try {
        await api.update(collection.name, keyOf(collection, row), { [field.name]: next });
        client.invalidateQueries({ queryKey: ['records'] });
      } catch (error) {
        failed(error);
      }
    }
    done();
  };
  const atOnce = ['boolean', 'select', 'date', 'dateTime', 'toOne'].includes(kindOf(field));
  return (
    // Keys of the cell's editor must not reach the table.
    <div
      onClick={(event) => event.stopPropagation()}
      onKeyDown={(event) => {
        if (event.key === 'Escape') done();
        if (event.key === 'Enter' && !atOnce) save();
        event.stopPropagation();
      }}
      onBlur={(event) => {
        if (!atOnce && !event.currentTarget.contains(event.relatedTarget)) save();
      }}
    >
      <FieldInput
        compact
        autoFocus
        aria-label={fieldTitle(field)}
        field={field}
        value={value}
        onChange={(next) => {
          setValue(next);
          if (atOnce) save(next);
        }}
      />
    </div>
  );
}

export default function TableBlock({ block }: BlockProps) {
  const { t } = useTranslation();
  const session = useSession();
  const page = usePage();
  const { ask } = useFeedback();
  const collection = session.collection(block.collection);
  const remove = useDelete(collection);
  const [filter, setFilter] = useState<Row>();
  const [sort, setSort] = useState<string[]>([]);
  const [at, setAt] = useState({ page: 1, pageSize: block.pageSize ?? 20 });
  const [selected, setSelected] = useState<React.Key[]>([]);
  const [cell, setCell] = useState('');
  const { hidden, toggle } = useHidden(block.uid);
  const entries = (block.fields ?? []).filter((entry) => collection?.fields.some((field) => field.name === entry.name));
  const tree = collection?.tree === 'adjacencyList' && block.options?.tree !== false;
  const records = useRecords(block, {
    names: entries.map((entry) => entry.name),
    filter,
    sort,
    ...at,
    tree: tree && !filter && !page.filters[block.uid],
  });
  const rowKey = (row: Row) => {
    const key = collection ? keyOf(collection, row) : row.id;
    return typeof key === 'object' ? JSON.stringify(key) : key;
  };
  const view = block.actions?.find((action) => action.type === 'view');
  const title = collection ? titleField(collection) : '';
  const linked = entries.some((entry) => entry.name === title) ? title : entries[0]?.name;
  const inline = block.options?.inlineEdit && collection && session.can(collection.name, 'update');

  const columnsOf = (): TableColumnsType<Row> => {
    if (!collection) return [];
    const column = (entry: FieldEntry): TableColumnsType<Row>[number] => {
      const field = collection.fields.find((one) => one.name === entry.name)!;
      const editable =
        inline &&
        !isReadOnly(field) &&
        !entry.readOnly &&
        !['toMany', 'json'].includes(kindOf(field)) &&
        session.can(collection.name, 'update', field.name);
      const number = ['integer', 'number', 'percent'].includes(kindOf(field)) && field.interface !== 'id';
      return {
        key: field.name,
        dataIndex: field.name,
        title: entry.title ?? fieldTitle(field),
        width: entry.width ?? (at.pageSize > virtualFrom ? 160 : undefined),
        fixed: entry.fixed,
        align: number ? 'end' : undefined,
        sorter: !isRelation(field) && kindOf(field) !== 'json',
        sortOrder: sort[0] === field.name ? 'ascend' : sort[0] === `-${field.name}` ? 'descend' : null,
        ellipsis: kindOf(field) === 'longText',
        onCell: (row) => (editable ? { onDoubleClick: () => setCell(`${rowKey(row)}.${field.name}`) } : {}),
        render: (value, row) => {
          if (cell === `${rowKey(row)}.${field.name}`)
            return <InlineCell field={field} row={row} collection={collection} done={() => setCell('')} />;
          if (view && entry.name === linked && !isRelation(field)) {
            return (
              <button type="button" className="link" onClick={() => page.open(block, view, keyOf(collection, row))}>
                <Value field={field} value={value} />{' '}
                {value === null || value === undefined || value === '' ? (
                  <span className="quiet">#{String(rowKey(row))}</span>
                ) : null}
              </button>
            );
          }
          const shown = (
            <Value
              field={field}
              value={value}
              open={(name, related) => page.openRecord(name, keyOf(session.collection(name)!, related))}
            />
          );
          // Without a mouse a cell is edited through its button.
          return editable ? (
            <span className="inline-cell">
              {shown}
              <button
                type="button"
                className="inline-edit"
                aria-label={t('Edit {{name}}', { name: fieldTitle(field) })}
                onClick={() => setCell(`${rowKey(row)}.${field.name}`)}
              >
                ✎
              </button>
            </span>
          ) : (
            shown
          );
        },
      };
    };
    const list = entries.filter((entry) => !hidden.includes(entry.name)).map(column);
    const acts = block.actions?.filter(
      (action) =>
        ['view', 'update', 'destroy', 'duplicate'].includes(action.type) ||
        (action.type === 'link' && action.href?.includes('{{')),
    );
    if (acts?.length) {
      list.push({
        key: '$actions',
        title: <span className="sr-only">{t('Actions')}</span>,
        width: acts.length * 34 + 24,
        fixed: 'right',
        align: 'end',
        render: (_, row) => (
          <span style={{ whiteSpace: 'nowrap' }}>
            <RecordActions block={block} collection={collection} row={row} />
          </span>
        ),
      });
    }
    return list;
  };
  const columns = columnsOf();

  if (!collection)
    return <Nothing text={t('The collection "{{name}}" does not exist (any more).', { name: block.collection })} />;
  if (!session.can(collection.name, 'view'))
    return (
      <BlockFrame block={block}>
        <Nothing text={t('Your role may not see these records.')} />
      </BlockFrame>
    );
  if (records.isError && !records.data)
    return (
      <BlockFrame block={block}>
        <Failure error={records.error} retry={records.refetch} />
      </BlockFrame>
    );
  const meta = records.data?.meta;
  const removeSelected = async () => {
    if (!(await ask(t('Delete {{count}} records?', { count: selected.length })))) return;
    if (await remove(selected, t('{{count}} records were deleted', { count: selected.length }))) setSelected([]);
  };
  const bulk = block.actions?.some((action) => action.type === 'destroy') && session.can(collection.name, 'destroy');
  const virtual = at.pageSize > virtualFrom;
  return (
    <BlockFrame
      block={block}
      tools={
        <BlockTools
          block={block}
          collection={collection}
          filter={filter}
          setFilter={(next) => {
            setFilter(next);
            setAt({ ...at, page: 1 });
          }}
        >
          {selected.length > 0 && (
            <Button danger onClick={removeSelected}>
              {t('Delete ({{count}})', { count: selected.length })}
            </Button>
          )}
          <Popover
            trigger="click"
            placement="bottomRight"
            content={
              <div className="stack" style={{ gap: 6, maxHeight: 320, overflow: 'auto' }}>
                {entries.map((entry) => {
                  const field = collection.fields.find((one) => one.name === entry.name)!;
                  return (
                    <Checkbox
                      key={entry.name}
                      checked={!hidden.includes(entry.name)}
                      onChange={() => toggle(entry.name)}
                    >
                      {entry.title ?? fieldTitle(field)}
                    </Checkbox>
                  );
                })}
              </div>
            }
          >
            <Tooltip title={t('Columns')}>
              <Button icon={<SettingOutlined />} aria-label={t('Columns')} />
            </Tooltip>
          </Popover>
        </BlockTools>
      }
    >
      <Table<Row>
        rowKey={rowKey}
        size="middle"
        columns={columns}
        dataSource={records.data?.data ?? []}
        loading={records.isFetching && !records.data ? true : undefined}
        locale={{
          emptyText: (
            <Nothing
              text={
                filter || page.filters[block.uid] ? t('No record matches the filter.') : t('There are no records yet.')
              }
            />
          ),
        }}
        virtual={virtual}
        scroll={virtual ? { x: Math.max(700, columns.length * 160), y: 520 } : { x: 'max-content' }}
        rowSelection={
          bulk && !virtual
            ? { selectedRowKeys: selected, onChange: setSelected, preserveSelectedRowKeys: true }
            : undefined
        }
        pagination={
          meta?.count !== undefined && meta.count <= at.pageSize && at.pageSize <= 20
            ? false
            : {
                current: at.page,
                pageSize: at.pageSize,
                total: meta?.count ?? (meta?.hasNext ? at.page * at.pageSize + 1 : at.page * at.pageSize),
                showSizeChanger: true,
                pageSizeOptions: [10, 20, 50, 100, 1000, 10000],
                showTotal: meta?.count !== undefined ? (total) => t('{{count}} records', { count: total }) : undefined,
                onChange: (next, size) => setAt({ page: size === at.pageSize ? next : 1, pageSize: size }),
              }
        }
        onChange={(_, __, sorter) => {
          const one = Array.isArray(sorter) ? sorter[0] : sorter;
          setSort(one?.order ? [`${one.order === 'descend' ? '-' : ''}${one.columnKey}`] : []);
        }}
        expandable={
          tree ? { defaultExpandAllRows: true, childrenColumnName: 'children' } : { childrenColumnName: '$none' }
        }
      />
      <span className="sr-only" aria-live="polite">
        {records.isFetching ? '' : t('{{count}} records', { count: meta?.count ?? records.data?.data.length ?? 0 })}
      </span>
    </BlockFrame>
  );
}
