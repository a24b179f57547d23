// Edits the value of a field. Values are those of the API: ISO dates, keys and rows for relations.
import { Checkbox, ColorPicker, DatePicker, Input, InputNumber, Select, TimePicker } from 'antd';
import dayjs, { type Dayjs } from 'dayjs';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { type Field, kindOf } from '../model/collections';
import { RelationSelect } from './RelationSelect';

export interface InputProps {
  field: Field;
  value?: any;
  onChange?: (value: any) => void;
  disabled?: boolean;
  id?: string;
  autoFocus?: boolean;
  /** Inside of a table cell: no labels around it. */
  compact?: boolean;
  'aria-label'?: string;
}

const localFormat = 'YYYY-MM-DD HH:mm:ss';

function JsonInput({
  value,
  onChange,
  ...rest
}: {
  value?: unknown;
  onChange?: (value: unknown) => void;
  id?: string;
  disabled?: boolean;
}) {
  const { t } = useTranslation();
  const [text, setText] = useState(() => (value === undefined || value === null ? '' : JSON.stringify(value, null, 2)));
  const [bad, setBad] = useState(false);
  return (
    <>
      <Input.TextArea
        {...rest}
        value={text}
        autoSize={{ minRows: 3, maxRows: 14 }}
        status={bad ? 'error' : undefined}
        style={{ fontFamily: 'monospace' }}
        onChange={(event) => {
          setText(event.target.value);
          if (!event.target.value.trim()) {
            setBad(false);
            onChange?.(null);
            return;
          }
          try {
            onChange?.(JSON.parse(event.target.value));
            setBad(false);
          } catch {
            setBad(true);
          }
        }}
      />
      {bad && <span style={{ color: 'var(--danger)' }}>{t('This is not valid JSON')}</span>}
    </>
  );
}

export function FieldInput({ field, value, onChange, disabled, id, autoFocus, compact, ...aria }: InputProps) {
  const { t } = useTranslation();
  const common = { id, disabled, ...aria };
  const full = { width: '100%' };
  const kind = kindOf(field);
  const date = (text: unknown): Dayjs | null => (text ? dayjs(String(text)) : null);
  switch (kind) {
    case 'longText':
    case 'markdown':
      return (
        <Input.TextArea
          {...common}
          value={value ?? ''}
          autoSize={{ minRows: compact ? 1 : 3, maxRows: 14 }}
          onChange={(e) => onChange?.(e.target.value)}
        />
      );
    case 'password':
      return (
        <Input.Password
          {...common}
          value={value ?? ''}
          autoComplete="new-password"
          onChange={(e) => onChange?.(e.target.value)}
        />
      );
    case 'integer':
    case 'number':
    case 'percent': {
      const props = field.uiSchema?.['x-component-props'] ?? {};
      const percent = kind === 'percent';
      return (
        <InputNumber
          {...common}
          autoFocus={autoFocus}
          style={full}
          stringMode={field.type === 'decimal' || field.type === 'bigInt'}
          value={percent && value !== null && value !== undefined ? Number((Number(value) * 100).toFixed(8)) : value}
          precision={kind === 'integer' ? 0 : (props.precision ?? (field.type === 'decimal' ? field.scale : undefined))}
          suffix={percent ? '%' : props.addonAfter}
          prefix={props.addonBefore}
          onChange={(next) => {
            if (next === null || next === undefined || next === '') onChange?.(null);
            else if (percent) onChange?.(Number((Number(next) / 100).toFixed(10)));
            else
              onChange?.(
                field.type === 'integer' || field.type === 'double' || field.type === 'float' ? Number(next) : next,
              );
          }}
        />
      );
    }
    case 'boolean':
      return (
        <Checkbox {...common} checked={!!value} onChange={(e) => onChange?.(e.target.checked)}>
          {compact ? undefined : <span className="sr-only">{t('Yes')}</span>}
        </Checkbox>
      );
    case 'select':
    case 'multiSelect':
      return (
        <Select
          {...common}
          autoFocus={autoFocus}
          style={full}
          allowClear
          mode={kind === 'multiSelect' ? 'multiple' : undefined}
          value={value ?? undefined}
          options={field.uiSchema?.enum?.map((one) => ({ value: one.value, label: one.label }))}
          showSearch={{ optionFilterProp: 'label' }}
          onChange={(next) => onChange?.(next ?? null)}
        />
      );
    case 'list':
      return <Select {...common} style={full} mode="tags" value={value ?? []} onChange={(next) => onChange?.(next)} />;
    case 'date':
      return (
        <DatePicker
          {...common}
          style={full}
          value={date(value)}
          onChange={(next) => onChange?.(next ? next.format('YYYY-MM-DD') : null)}
        />
      );
    case 'dateTime':
      return (
        <DatePicker
          {...common}
          style={full}
          showTime={{ format: 'HH:mm' }}
          format="YYYY-MM-DD HH:mm"
          value={date(value)}
          onChange={(next) => onChange?.(next ? next.toISOString() : null)}
        />
      );
    case 'dateTimeLocal':
      return (
        <DatePicker
          {...common}
          style={full}
          showTime
          format={localFormat}
          value={date(value)}
          onChange={(next) => onChange?.(next ? next.format(localFormat) : null)}
        />
      );
    case 'time':
      return (
        <TimePicker
          {...common}
          style={full}
          value={value ? dayjs(`2000-01-01T${value}`) : null}
          onChange={(next) => onChange?.(next ? next.format('HH:mm:ss') : null)}
        />
      );
    case 'color':
      return (
        <ColorPicker
          disabled={disabled}
          value={value || null}
          allowClear
          showText
          onChange={(color) => onChange?.(color.cleared ? null : color.toHexString())}
        />
      );
    case 'json':
      return <JsonInput {...common} value={value} onChange={onChange} />;
    case 'toOne':
    case 'toMany':
      return <RelationSelect {...common} field={field} value={value} onChange={onChange} />;
    default:
      return (
        <Input
          {...common}
          autoFocus={autoFocus}
          value={value ?? ''}
          type={kind === 'email' ? 'email' : kind === 'phone' ? 'tel' : kind === 'url' ? 'url' : 'text'}
          onChange={(e) => onChange?.(e.target.value === '' ? null : e.target.value)}
        />
      );
  }
}
