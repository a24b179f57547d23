// A form that filters other blocks of the page.
import { Button, Col, DatePicker, Row as GridRow, Input, Select } from 'antd';
import dayjs from 'dayjs';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Row } from '../api/client';
import { useSession } from '../app/session';
import { FieldInput } from '../fields/FieldInput';
import { RelationSelect } from '../fields/RelationSelect';
import { type Field, fieldTitle, keyField, kindOf } from '../model/collections';
import { Nothing } from '../ui/states';
import { BlockFrame } from './BlockFrame';
import { type BlockProps, usePage } from './context';

/** What a value in the form asks of the records. */
export function conditionOf(field: Field, value: any, targetKey = 'id'): Row | undefined {
  if (value === undefined || value === null || value === '' || (Array.isArray(value) && !value.length))
    return undefined;
  switch (kindOf(field)) {
    case 'select':
      return { [field.name]: { $in: Array.isArray(value) ? value : [value] } };
    case 'multiSelect':
    case 'list':
      return { [field.name]: { $anyOf: value } };
    case 'boolean':
      return { [field.name]: value === 'yes' ? { $isTruly: true } : { $isFalsy: true } };
    case 'date':
    case 'dateTime':
    case 'dateTimeLocal':
      return { $and: [{ [field.name]: { $dateNotBefore: value[0] } }, { [field.name]: { $dateNotAfter: value[1] } }] };
    case 'integer':
    case 'number':
    case 'percent':
      return { [field.name]: { $eq: value } };
    case 'toOne':
    case 'toMany':
      return {
        [field.name]: {
          [targetKey]: { $in: (Array.isArray(value) ? value : [value]).map((row: Row) => row[targetKey]) },
        },
      };
    default:
      return { [field.name]: { $includes: value } };
  }
}

function FilterInput({ field, value, onChange }: { field: Field; value: any; onChange: (value: any) => void }) {
  const { t } = useTranslation();
  const label = fieldTitle(field);
  const wide = { width: '100%' };
  switch (kindOf(field)) {
    case 'select':
    case 'multiSelect':
      return (
        <Select
          aria-label={label}
          style={wide}
          mode="multiple"
          allowClear
          value={value ?? []}
          options={field.uiSchema?.enum?.map((one) => ({ value: one.value, label: one.label }))}
          onChange={onChange}
        />
      );
    case 'boolean':
      return (
        <Select
          aria-label={label}
          style={wide}
          allowClear
          value={value}
          options={[
            { value: 'yes', label: t('Yes') },
            { value: 'no', label: t('No') },
          ]}
          onChange={onChange}
        />
      );
    case 'date':
    case 'dateTime':
    case 'dateTimeLocal':
      return (
        <DatePicker.RangePicker
          aria-label={label}
          style={wide}
          value={value ? [dayjs(value[0]), dayjs(value[1])] : null}
          onChange={(range) => onChange(range ? range.map((one) => one!.format('YYYY-MM-DD')) : undefined)}
        />
      );
    case 'toOne':
    case 'toMany':
      return <RelationSelect aria-label={label} field={field} value={value} onChange={onChange} />;
    case 'integer':
    case 'number':
    case 'percent':
      return <FieldInput compact aria-label={label} field={field} value={value} onChange={onChange} />;
    default:
      return (
        <Input aria-label={label} allowClear value={value ?? ''} onChange={(event) => onChange(event.target.value)} />
      );
  }
}

export default function FilterBlock({ block }: BlockProps) {
  const { t } = useTranslation();
  const session = useSession();
  const page = usePage();
  const collection = session.collection(block.collection);
  const [values, setValues] = useState<Row>({});
  if (!collection)
    return <Nothing text={t('The collection "{{name}}" does not exist (any more).', { name: block.collection })} />;
  const chosen: string[] = block.options?.targets?.length
    ? block.options.targets
    : page.page.blocks
        .filter(
          (one) =>
            one.collection === block.collection && one.uid !== block.uid && !['form', 'filter'].includes(one.type),
        )
        .map((one) => one.uid);
  const apply = (now: Row) => {
    const list = (block.fields ?? []).flatMap((entry) => {
      const field = collection.fields.find((one) => one.name === entry.name);
      const target = session.collection(field?.target);
      const condition = field && conditionOf(field, now[field.name], target ? keyField(target) : 'id');
      return condition ? [condition] : [];
    });
    page.setFilter(block.uid, chosen, list.length ? { $and: list } : undefined);
  };
  return (
    <BlockFrame block={block}>
      <form
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          apply(values);
        }}
      >
        <GridRow gutter={[16, 12]} align="bottom">
          {(block.fields ?? []).map((entry) => {
            const field = collection.fields.find((one) => one.name === entry.name);
            if (!field) return null;
            return (
              <Col key={entry.name} xs={24} sm={12} md={8} lg={6}>
                <div className="quiet" style={{ marginBottom: 4 }}>
                  {entry.title ?? fieldTitle(field)}
                </div>
                <FilterInput
                  field={field}
                  value={values[field.name]}
                  onChange={(value) => setValues({ ...values, [field.name]: value })}
                />
              </Col>
            );
          })}
          <Col flex="auto">
            <div className="row">
              <Button type="primary" htmlType="submit">
                {t('Filter')}
              </Button>
              <Button
                onClick={() => {
                  setValues({});
                  apply({});
                }}
              >
                {t('Reset')}
              </Button>
            </div>
          </Col>
        </GridRow>
      </form>
    </BlockFrame>
  );
}
