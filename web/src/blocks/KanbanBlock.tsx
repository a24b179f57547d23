// Cards in columns by a choice or a related record; dragging a card to another column changes the record.
import {
  closestCorners,
  DndContext,
  type DragEndEvent,
  DragOverlay,
  KeyboardSensor,
  PointerSensor,
  useDraggable,
  useDroppable,
  useSensor,
  useSensors,
} from '@dnd-kit/core';
import { useQueryClient } from '@tanstack/react-query';
import { Button, Dropdown, Tag } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, type Row } from '../api/client';
import { useSession } from '../app/session';
import { Value } from '../fields/Value';
import { toValue } from '../fields/values';
import {
  type Collection,
  type Field,
  fieldTitle,
  keyField,
  keyOf,
  kindOf,
  recordTitle,
  titleField,
} from '../model/collections';
import { useFeedback } from '../ui/feedback';
import { Failure, Loading, Nothing } from '../ui/states';
import { BlockFrame } from './BlockFrame';
import { type BlockProps, usePage } from './context';
import { BlockTools } from './RecordTools';
import type { Block } from './schema';
import { useRecords } from './useRecords';

const most = 500;

interface Column {
  id: string;
  title: string;
  color?: string;
  value: unknown;
}

function Card({
  row,
  block,
  collection,
  group,
  columns,
  move,
  lifted,
}: {
  row: Row;
  block: Block;
  collection: Collection;
  group: Field;
  columns: Column[];
  move?: (column: Column) => void;
  lifted?: boolean;
}) {
  const { t } = useTranslation();
  const page = usePage();
  const key = keyOf(collection, row);
  const { attributes, listeners, setNodeRef, isDragging } = useDraggable({
    id: `${lifted ? 'lifted.' : ''}${key}`,
    disabled: !move,
  });
  const view = block.actions?.find((action) => action.type === 'view');
  const name = recordTitle(collection, row);
  return (
    <div className={isDragging ? 'kanban-card dragging' : 'kanban-card'} ref={setNodeRef} {...listeners}>
      <div className="row">
        <span className="grow">
          {view ? (
            <button type="button" className="link" onClick={() => page.open(block, view, key)}>
              {name}
            </button>
          ) : (
            <b>{name}</b>
          )}
        </span>
        {move && (
          // The way for keyboards and phones.
          <Dropdown
            trigger={['click']}
            menu={{
              items: columns.map((column) => ({ key: column.id, label: column.title })),
              onClick: ({ key: id }) => move(columns.find((one) => one.id === id)!),
            }}
          >
            <Button
              type="text"
              size="small"
              aria-label={t('Move {{name}}', { name })}
              aria-describedby={attributes['aria-describedby']}
            >
              ⋯
            </Button>
          </Dropdown>
        )}
      </div>
      {(block.fields ?? [])
        .filter((entry) => entry.name !== titleField(collection) && entry.name !== group.name)
        .map((entry) => {
          const field = collection.fields.find((one) => one.name === entry.name);
          if (!field || row[entry.name] === null || row[entry.name] === undefined || row[entry.name] === '')
            return null;
          return (
            <div key={entry.name} style={{ fontSize: 13, marginTop: 4 }}>
              <span className="quiet">{fieldTitle(field)}: </span>
              <Value field={field} value={row[entry.name]} />
            </div>
          );
        })}
    </div>
  );
}

function ColumnView({ column, count, children }: { column: Column; count: number; children: React.ReactNode }) {
  const { setNodeRef, isOver } = useDroppable({ id: column.id });
  return (
    <section className={isOver ? 'kanban-column over' : 'kanban-column'} ref={setNodeRef} aria-label={column.title}>
      <header>
        <Tag color={column.color && column.color !== 'default' ? column.color : undefined}>{column.title}</Tag>
        <span className="quiet">{count}</span>
      </header>
      {children}
    </section>
  );
}

export default function KanbanBlock({ block }: BlockProps) {
  const { t } = useTranslation();
  const session = useSession();
  const page = usePage();
  const client = useQueryClient();
  const { failed } = useFeedback();
  const [filter, setFilter] = useState<Row>();
  const [moves, setMoves] = useState<Record<string, unknown>>({});
  const [lifted, setLifted] = useState<Row>();
  const sensors = useSensors(
    useSensor(PointerSensor, { activationConstraint: { distance: 6 } }),
    useSensor(KeyboardSensor),
  );
  const collection = session.collection(block.collection);
  const group = collection?.fields.find((field) => field.name === block.options?.group);
  const records = useRecords(block, {
    names: [...(block.fields ?? []).map((entry) => entry.name), group?.name ?? ''],
    filter,
    pageSize: most,
    enabled: !!group,
  });
  if (!collection)
    return <Nothing text={t('The collection "{{name}}" does not exist (any more).', { name: block.collection })} />;
  if (!group) {
    return (
      <BlockFrame block={block}>
        <Nothing text={t('A kanban needs a field with choices for its columns: press the cog to choose it.')} />
      </BlockFrame>
    );
  }
  const target = session.collection(group.target);
  const idOf = (value: any): string =>
    value === null || value === undefined || value === ''
      ? '$none'
      : typeof value === 'object'
        ? String(value[target ? keyField(target) : 'id'])
        : String(value);
  const rows = (records.data?.data ?? []).map((row) => {
    const key = String(keyOf(collection, row));
    return key in moves ? { ...row, [group.name]: moves[key] } : row;
  });
  const columns: Column[] =
    kindOf(group) === 'select'
      ? (group.uiSchema?.enum ?? []).map((one) => ({
          id: String(one.value),
          title: one.label,
          color: one.color,
          value: one.value,
        }))
      : [
          ...new Map(
            rows.filter((row) => row[group.name]).map((row) => [idOf(row[group.name]), row[group.name]]),
          ).entries(),
        ].map(([id, value]) => ({ id, title: recordTitle(target!, value as Row), value }));
  if (rows.some((row) => !columns.some((column) => column.id === idOf(row[group.name]))))
    columns.unshift({ id: '$none', title: t('None'), value: null });

  const movable = session.can(collection.name, 'update', group.name);
  const move = async (row: Row, column: Column) => {
    if (idOf(row[group.name]) === column.id) return;
    const key = keyOf(collection, row);
    setMoves((now) => ({ ...now, [String(key)]: column.value }));
    try {
      await api.update(collection.name, key, { [group.name]: toValue(group, column.value, session.collection) });
      await client.invalidateQueries({ queryKey: ['records'] });
    } catch (error) {
      failed(error);
    }
    setMoves(({ [String(key)]: _, ...rest }) => rest);
  };
  const dropped = ({ active, over }: DragEndEvent) => {
    setLifted(undefined);
    const row = rows.find((one) => String(keyOf(collection, one)) === String(active.id));
    const column = columns.find((one) => one.id === over?.id);
    if (row && column) move(row, column);
  };
  const content = () => {
    if (records.isError) return <Failure error={records.error} retry={records.refetch} />;
    if (!records.data) return <Loading />;
    return (
      <DndContext
        sensors={sensors}
        collisionDetection={closestCorners}
        onDragStart={({ active }) =>
          setLifted(rows.find((one) => String(keyOf(collection, one)) === String(active.id)))
        }
        onDragEnd={dropped}
        onDragCancel={() => setLifted(undefined)}
      >
        <div className="kanban">
          {columns.map((column) => {
            const mine = rows.filter((row) => idOf(row[group.name]) === column.id);
            return (
              <ColumnView key={column.id} column={column} count={mine.length}>
                {mine.map((row) => (
                  <Card
                    key={String(keyOf(collection, row))}
                    row={row}
                    block={block}
                    collection={collection}
                    group={group}
                    columns={columns.filter((one) => one.id !== column.id)}
                    move={movable ? (to) => move(row, to) : undefined}
                  />
                ))}
              </ColumnView>
            );
          })}
        </div>
        <DragOverlay>
          {lifted && <Card lifted row={lifted} block={block} collection={collection} group={group} columns={[]} />}
        </DragOverlay>
      </DndContext>
    );
  };
  const count = records.data?.meta?.count ?? 0;
  return (
    <BlockFrame
      block={block}
      tools={<BlockTools block={block} collection={collection} filter={filter} setFilter={setFilter} />}
    >
      {content()}
      {count > most && (
        <p className="quiet">
          {t('Only the first {{most}} of {{count}} records are shown: filter to see others.', { most, count })}
        </p>
      )}
      {page.editing && !columns.length && <p className="quiet">{t('The field has no choices yet.')}</p>}
    </BlockFrame>
  );
}
