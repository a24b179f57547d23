// Shows the value of a field, in a table cell or in details.
import { CheckOutlined } from '@ant-design/icons';
import { Tag } from 'antd';
import dayjs from 'dayjs';
import { lazy, type ReactNode, Suspense } from 'react';
import { useTranslation } from 'react-i18next';
import type { Row } from '../api/client';
import { useSession } from '../app/session';
import { type Field, keyOf, kindOf, recordTitle } from '../model/collections';

const Markdown = lazy(() => import('../ui/Markdown'));

export const optionColor: Record<string, string> = {};

export function OptionTag({ field, value }: { field: Field; value: unknown }) {
  const option = field.uiSchema?.enum?.find((one) => String(one.value) === String(value));
  const color = option?.color && option.color !== 'default' ? option.color : undefined;
  return (
    <Tag color={color} style={{ marginInlineEnd: 4 }}>
      {option?.label ?? String(value)}
    </Tag>
  );
}

export function formatNumber(field: Field, value: unknown, language: string): string {
  const number = Number(value);
  if (value === '' || Number.isNaN(number)) return String(value);
  const props = field.uiSchema?.['x-component-props'] ?? {};
  const digits = props.precision ?? (field.type === 'decimal' ? field.scale : undefined);
  const text = new Intl.NumberFormat(language, {
    ...(digits !== undefined
      ? { minimumFractionDigits: digits, maximumFractionDigits: digits }
      : { maximumFractionDigits: 10 }),
    style: kindOf(field) === 'percent' ? 'percent' : 'decimal',
  }).format(number);
  return `${props.addonBefore ?? ''}${text}${props.addonAfter ? ` ${props.addonAfter}` : ''}`;
}

export function formatDate(kind: string, value: unknown): string {
  if (kind === 'time') return String(value);
  const date = dayjs(String(value));
  if (!date.isValid()) return String(value);
  return date.format(kind === 'date' ? 'YYYY-MM-DD' : 'YYYY-MM-DD HH:mm');
}

/** The same as text, for exports, titles and screen readers. */
export function plainText(field: Field, value: unknown, language = 'en-US'): string {
  if (value === null || value === undefined || value === '') return '';
  const kind = kindOf(field);
  if (kind === 'select')
    return field.uiSchema?.enum?.find((one) => String(one.value) === String(value))?.label ?? String(value);
  if (['integer', 'number', 'percent'].includes(kind))
    return field.interface === 'id' ? String(value) : formatNumber(field, value, language);
  if (['date', 'dateTime', 'dateTimeLocal', 'time'].includes(kind)) return formatDate(kind, value);
  if (Array.isArray(value))
    return value
      .map((one) =>
        typeof one === 'object'
          ? JSON.stringify(one)
          : plainText({ ...field, interface: 'select', type: 'string' }, one),
      )
      .join(', ');
  if (typeof value === 'object') return JSON.stringify(value);
  return String(value);
}

function Related({
  field,
  value,
  open,
}: {
  field: Field;
  value: unknown;
  open?: (collection: string, row: Row) => void;
}) {
  const session = useSession();
  const target = session.collection(field.target);
  const rows = (Array.isArray(value) ? value : [value]) as Row[];
  if (!target) return null;
  return (
    <span className="row wrap" style={{ gap: '2px 6px' }}>
      {rows.slice(0, 6).map((row, index) => {
        const text = recordTitle(target, row);
        const key = String(keyOf(target, row) ?? index);
        return open ? (
          <button type="button" className="link" key={key} onClick={() => open(target.name, row)}>
            {text}
          </button>
        ) : (
          <span key={key}>{text}</span>
        );
      })}
      {rows.length > 6 && <span className="quiet">+{rows.length - 6}</span>}
    </span>
  );
}

export function Value({
  field,
  value,
  full,
  open,
}: {
  field: Field;
  value: unknown;
  full?: boolean;
  open?: (collection: string, row: Row) => void;
}): ReactNode {
  const { t, i18n } = useTranslation();
  if (value === null || value === undefined || value === '' || (Array.isArray(value) && !value.length)) {
    return full ? <span className="value-empty">—</span> : null;
  }
  const kind = kindOf(field);
  switch (kind) {
    case 'boolean':
      return value ? <CheckOutlined aria-label={t('Yes')} style={{ color: 'var(--brand)' }} /> : full ? t('No') : null;
    case 'select':
      return <OptionTag field={field} value={value} />;
    case 'multiSelect':
    case 'list':
      return (Array.isArray(value) ? value : [value]).map((one, index) => (
        <OptionTag key={index} field={field} value={typeof one === 'object' ? JSON.stringify(one) : one} />
      ));
    case 'integer':
      return field.interface === 'id' || field.type === 'snowflakeId'
        ? String(value)
        : formatNumber(field, value, i18n.language);
    case 'number':
    case 'percent':
      return formatNumber(field, value, i18n.language);
    case 'date':
    case 'dateTime':
    case 'dateTimeLocal':
    case 'time':
      return <span style={{ whiteSpace: 'nowrap' }}>{formatDate(kind, value)}</span>;
    case 'email':
      return <a href={`mailto:${value}`}>{String(value)}</a>;
    case 'phone':
      return <a href={`tel:${value}`}>{String(value)}</a>;
    case 'url':
      return /^https?:\/\//.test(String(value)) ? (
        <a href={String(value)} target="_blank" rel="noreferrer">
          {String(value)}
        </a>
      ) : (
        String(value)
      );
    case 'color':
      return (
        <span>
          <span className="swatch" style={{ background: String(value) }} />
          {String(value)}
        </span>
      );
    case 'toOne':
    case 'toMany':
      return <Related field={field} value={value} open={open} />;
    case 'markdown':
      return full ? (
        <Suspense>
          <Markdown text={String(value)} />
        </Suspense>
      ) : (
        String(value).slice(0, 120)
      );
    case 'longText':
      return full ? <span style={{ whiteSpace: 'pre-wrap' }}>{String(value)}</span> : String(value).slice(0, 160);
    case 'json':
    case 'other':
      return typeof value === 'object' ? (
        full ? (
          <pre className="code">{JSON.stringify(value, null, 2)}</pre>
        ) : (
          JSON.stringify(value).slice(0, 120)
        )
      ) : (
        String(value)
      );
    default:
      return String(value);
  }
}
