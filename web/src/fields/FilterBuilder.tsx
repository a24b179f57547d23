// Builds a filter by choosing fields, operators and values; the same for tables, blocks and row scopes of roles.
import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, DatePicker, Input, Select } from 'antd';
import dayjs from 'dayjs';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Row } from '../api/client';
import { useSession } from '../app/session';
import { type Collection, type Field, fieldTitle, isRelation, isVisible, keyField, kindOf } from '../model/collections';
import { FieldInput } from './FieldInput';
import { type Condition, type Conditions, fromFilter, operatorsOf, periods, toFilter } from './filters';
import { RelationSelect } from './RelationSelect';

interface Choice {
  path: string;
  label: string;
  field: Field;
}

/** Fields to filter by: the collection's own, and those of to-one relations. */
export function useChoices(collection: Collection): Choice[] {
  const session = useSession();
  const list: Choice[] = [];
  for (const field of collection.fields) {
    if (!isVisible(field) || kindOf(field) === 'password') continue;
    list.push({ path: field.name, label: fieldTitle(field), field });
    const target = isRelation(field) ? session.collection(field.target) : undefined;
    for (const inner of target?.fields ?? []) {
      if (!isVisible(inner) || isRelation(inner)) continue;
      list.push({
        path: `${field.name}.${inner.name}`,
        label: `${fieldTitle(field)} / ${fieldTitle(inner)}`,
        field: inner,
      });
    }
  }
  return list;
}

function DateValue({ value, onChange }: { value: any; onChange: (value: any) => void }) {
  const { t } = useTranslation();
  const period = value && typeof value === 'object' ? value.type : undefined;
  return (
    <>
      <Select
        aria-label={t('Period')}
        style={{ width: 130 }}
        value={period ?? 'day'}
        options={[
          { value: 'day', label: t('Exact day') },
          ...Object.entries(periods).map(([key, label]) => ({ value: key, label: t(label) })),
        ]}
        onChange={(next) => onChange(next === 'day' ? undefined : { type: next })}
      />
      {!period && (
        <DatePicker
          aria-label={t('Day')}
          value={value ? dayjs(value) : null}
          onChange={(next) => onChange(next?.format('YYYY-MM-DD'))}
        />
      )}
    </>
  );
}

function ConditionValue({ field, item, change }: { field: Field; item: Condition; change: (value: any) => void }) {
  const { t } = useTranslation();
  const session = useSession();
  const operator = operatorsOf(field).find((one) => one.value === item.operator);
  if (!operator || operator.bare) return null;
  const label = t('Value');
  if (operator.value === '$is') {
    const target = session.collection(field.target);
    const key = target ? keyField(target) : 'id';
    if (target?.name === 'users') {
      return (
        <div className="row" style={{ flex: 1 }}>
          <Select
            style={{ width: 160 }}
            aria-label={label}
            value={item.value?.[key] === '{{$user.id}}' ? 'me' : 'other'}
            options={[
              { value: 'me', label: t('the signed-in user') },
              { value: 'other', label: t('a certain user') },
            ]}
            onChange={(next) => change(next === 'me' ? { [key]: '{{$user.id}}' } : undefined)}
          />
          {item.value?.[key] !== '{{$user.id}}' && (
            <RelationSelect
              aria-label={label}
              field={{ ...field, type: 'belongsTo' }}
              value={item.value ?? null}
              onChange={(row) => change(row ? { [key]: (row as Row)[key] } : undefined)}
            />
          )}
        </div>
      );
    }
    return (
      <RelationSelect
        aria-label={label}
        field={{ ...field, type: 'belongsTo' }}
        value={item.value ?? null}
        onChange={(row) => change(row ? { [key]: (row as Row)[key] } : undefined)}
      />
    );
  }
  if (operator.value.startsWith('$date')) return <DateValue value={item.value} onChange={change} />;
  if (operator.many) {
    return (
      <Select
        aria-label={label}
        mode={field.uiSchema?.enum ? 'multiple' : 'tags'}
        style={{ flex: 1, minWidth: 140 }}
        value={item.value ?? []}
        options={field.uiSchema?.enum?.map((one) => ({ value: one.value, label: one.label }))}
        onChange={change}
      />
    );
  }
  if (['longText', 'markdown', 'email', 'url', 'phone', 'color'].includes(kindOf(field))) {
    return <Input aria-label={label} value={item.value ?? ''} onChange={(event) => change(event.target.value)} />;
  }
  return <FieldInput compact aria-label={label} field={field} value={item.value} onChange={change} />;
}

export function FilterBuilder({
  collection,
  value,
  onChange,
}: {
  collection: Collection;
  value?: Row | null;
  onChange: (filter: Row | undefined) => void;
}) {
  const { t } = useTranslation();
  const choices = useChoices(collection);
  const [state, setState] = useState<Conditions | undefined>(() => fromFilter(value));
  if (!state)
    return (
      <Input.TextArea
        defaultValue={JSON.stringify(value, null, 2)}
        autoSize
        aria-label={t('Filter as JSON')}
        onChange={(event) => {
          try {
            onChange(JSON.parse(event.target.value));
          } catch {
            /* not yet valid */
          }
        }}
      />
    );
  const change = (next: Conditions) => {
    setState(next);
    onChange(toFilter(next));
  };
  const set = (index: number, item: Condition) =>
    change({ ...state, items: state.items.map((one, i) => (i === index ? item : one)) });
  const firstValue = (field: Field, operator: string) =>
    operatorsOf(field).find((one) => one.value === operator)?.bare ? true : undefined;
  return (
    <div className="stack" style={{ gap: 8 }}>
      {state.items.length > 1 && (
        <div className="row">
          <span>{t('Records that meet')}</span>
          <Select
            aria-label={t('Logic')}
            value={state.logic}
            options={[
              { value: '$and', label: t('all of these') },
              { value: '$or', label: t('any of these') },
            ]}
            onChange={(logic) => change({ ...state, logic })}
          />
        </div>
      )}
      {state.items.map((item, index) => {
        const choice = choices.find((one) => one.path === item.field);
        return (
          <div className="row wrap" key={index}>
            <Select
              aria-label={t('Field')}
              style={{ width: 190 }}
              showSearch={{ optionFilterProp: 'label' }}
              value={item.field || undefined}
              placeholder={t('Field')}
              options={choices.map((one) => ({ value: one.path, label: one.label }))}
              onChange={(path) => {
                const field = choices.find((one) => one.path === path)!.field;
                const operator = operatorsOf(field)[0].value;
                set(index, { field: path, operator, value: firstValue(field, operator) });
              }}
            />
            {choice && (
              <Select
                aria-label={t('Condition')}
                style={{ width: 150 }}
                value={item.operator}
                options={operatorsOf(choice.field).map((one) => ({ value: one.value, label: t(one.label) }))}
                onChange={(operator) => set(index, { ...item, operator, value: firstValue(choice.field, operator) })}
              />
            )}
            <div className="grow row" style={{ minWidth: 140 }}>
              {choice && (
                <ConditionValue
                  field={choice.field}
                  item={item}
                  change={(next) => set(index, { ...item, value: next })}
                />
              )}
            </div>
            <Button
              type="text"
              icon={<DeleteOutlined />}
              aria-label={t('Remove this condition')}
              onClick={() => change({ ...state, items: state.items.filter((_, i) => i !== index) })}
            />
          </div>
        );
      })}
      <Button
        type="dashed"
        icon={<PlusOutlined />}
        onClick={() => setState({ ...state, items: [...state.items, { field: '', operator: '' }] })}
        style={{ alignSelf: 'flex-start' }}
      >
        {t('Add a condition')}
      </Button>
    </div>
  );
}
