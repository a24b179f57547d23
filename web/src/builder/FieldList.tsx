// Which fields a block shows, in which order: checked, dragged, or moved by keys.
import { HolderOutlined } from '@ant-design/icons';
import { closestCenter, DndContext, KeyboardSensor, PointerSensor, useSensor, useSensors } from '@dnd-kit/core';
import {
  arrayMove,
  SortableContext,
  sortableKeyboardCoordinates,
  useSortable,
  verticalListSortingStrategy,
} from '@dnd-kit/sortable';
import { CSS } from '@dnd-kit/utilities';
import { Button, Checkbox, Input, InputNumber, Popover, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import type { Block, FieldEntry } from '../blocks/schema';
import { type Collection, type Field, fieldTitle, isVisible, kindOf } from '../model/collections';

function Entry({
  entry,
  field,
  block,
  set,
  remove,
}: {
  entry: FieldEntry;
  field: Field;
  block: Block;
  set: (entry: FieldEntry) => void;
  remove: () => void;
}) {
  const { t } = useTranslation();
  const { attributes, listeners, setNodeRef, transform, transition } = useSortable({ id: entry.name });
  const name = fieldTitle(field);
  const form = block.type === 'form';
  return (
    <div
      ref={setNodeRef}
      className="row field-entry"
      style={{ transform: CSS.Translate.toString(transform), transition }}
    >
      <button
        type="button"
        className="grip-small"
        {...attributes}
        {...listeners}
        aria-label={t('Move {{name}}', { name })}
      >
        <HolderOutlined />
      </button>
      <Checkbox checked onChange={remove}>
        {entry.title ?? name}
      </Checkbox>
      <span className="grow" />
      <Popover
        trigger="click"
        placement="left"
        content={
          <div className="stack" style={{ width: 230, gap: 8 }}>
            <label>
              {t('Label')}
              <Input
                value={entry.title ?? ''}
                placeholder={name}
                onChange={(event) => set({ ...entry, title: event.target.value || undefined })}
              />
            </label>
            {block.type === 'table' && (
              <>
                <label>
                  {t('Width in pixels')}
                  <InputNumber
                    style={{ width: '100%' }}
                    min={60}
                    max={800}
                    value={entry.width}
                    onChange={(width) => set({ ...entry, width: width ?? undefined })}
                  />
                </label>
                <Checkbox
                  checked={entry.fixed === 'left'}
                  onChange={(event) => set({ ...entry, fixed: event.target.checked ? 'left' : undefined })}
                >
                  {t('Stays at the left')}
                </Checkbox>
              </>
            )}
            {form && (
              <>
                <label htmlFor={`span-${entry.name}`}>{t('Width')}</label>
                <Select
                  id={`span-${entry.name}`}
                  allowClear
                  value={entry.span}
                  placeholder={t('Automatic')}
                  options={[
                    { value: 8, label: t('A third') },
                    { value: 12, label: t('A half') },
                    { value: 24, label: t('Whole') },
                  ]}
                  onChange={(span) => set({ ...entry, span })}
                />
                <label>
                  {t('Section that begins here')}
                  <Input
                    value={entry.section ?? ''}
                    onChange={(event) => set({ ...entry, section: event.target.value || undefined })}
                  />
                </label>
                {kindOf(field) === 'toMany' && (
                  <Checkbox
                    checked={entry.mode === 'table'}
                    onChange={(event) => set({ ...entry, mode: event.target.checked ? 'table' : undefined })}
                  >
                    {t('Edit its records here, in a table')}
                  </Checkbox>
                )}
              </>
            )}
            {(form || block.type === 'table') && (
              <Checkbox
                checked={!!entry.readOnly}
                onChange={(event) => set({ ...entry, readOnly: event.target.checked || undefined })}
              >
                {t('Read only')}
              </Checkbox>
            )}
          </div>
        }
      >
        <Button type="text" size="small" aria-label={t('Options of {{name}}', { name })}>
          ⋯
        </Button>
      </Popover>
    </div>
  );
}

export function FieldList({
  collection,
  block,
  onChange,
}: {
  collection: Collection;
  block: Block;
  onChange: (fields: FieldEntry[]) => void;
}) {
  const { t } = useTranslation();
  const sensors = useSensors(
    useSensor(PointerSensor, { activationConstraint: { distance: 4 } }),
    useSensor(KeyboardSensor, { coordinateGetter: sortableKeyboardCoordinates }),
  );
  const fields = (block.fields ?? []).filter((entry) => collection.fields.some((field) => field.name === entry.name));
  const rest = collection.fields.filter(
    (field) => isVisible(field) && !fields.some((entry) => entry.name === field.name),
  );
  return (
    <div>
      <DndContext
        sensors={sensors}
        collisionDetection={closestCenter}
        onDragEnd={({ active, over }) => {
          if (!over || active.id === over.id) return;
          const at = (id: unknown) => fields.findIndex((entry) => entry.name === id);
          onChange(arrayMove(fields, at(active.id), at(over.id)));
        }}
      >
        <SortableContext items={fields.map((entry) => entry.name)} strategy={verticalListSortingStrategy}>
          {fields.map((entry) => (
            <Entry
              key={entry.name}
              entry={entry}
              block={block}
              field={collection.fields.find((field) => field.name === entry.name)!}
              set={(next) => onChange(fields.map((one) => (one.name === next.name ? next : one)))}
              remove={() => onChange(fields.filter((one) => one.name !== entry.name))}
            />
          ))}
        </SortableContext>
      </DndContext>
      {rest.map((field) => (
        <div className="row field-entry" key={field.name}>
          <span className="grip-small" />
          <Checkbox checked={false} onChange={() => onChange([...fields, { name: field.name }])}>
            {fieldTitle(field)}
          </Checkbox>
        </div>
      ))}
      {!rest.length && !fields.length && <span className="quiet">{t('This collection has no fields yet.')}</span>}
    </div>
  );
}
