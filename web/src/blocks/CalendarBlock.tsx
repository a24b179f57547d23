// Records on the days of a month.
import { Badge, Calendar } from 'antd';
import dayjs, { type Dayjs } from 'dayjs';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Row } from '../api/client';
import { useSession } from '../app/session';
import { keyOf, kindOf, recordTitle } from '../model/collections';
import { Failure, Nothing } from '../ui/states';
import { useNarrow } from '../ui/useNarrow';
import { BlockFrame } from './BlockFrame';
import { type BlockProps, usePage } from './context';
import { BlockTools } from './RecordTools';
import { useRecords } from './useRecords';

const most = 1000;
const perDay = 4;

export default function CalendarBlock({ block }: BlockProps) {
  const { t } = useTranslation();
  const session = useSession();
  const page = usePage();
  const narrow = useNarrow();
  const collection = session.collection(block.collection);
  const [month, setMonth] = useState(dayjs());
  const options = block.options ?? {};
  const start = collection?.fields.find((field) => field.name === options.start);
  const end = collection?.fields.find((field) => field.name === options.end);
  const colour = collection?.fields.find((field) => field.name === options.colour);
  const from = month.startOf('month').subtract(7, 'day').format('YYYY-MM-DD');
  const to = month.endOf('month').add(7, 'day').format('YYYY-MM-DD');
  const starts = { [start?.name ?? '']: { $dateNotAfter: to } };
  const ends = end
    ? {
        $or: [
          { [end.name]: { $dateNotBefore: from } },
          { $and: [{ [end.name]: { $empty: true } }, { [start?.name ?? '']: { $dateNotBefore: from } }] },
        ],
      }
    : { [start?.name ?? '']: { $dateNotBefore: from } };
  const records = useRecords(block, {
    names: [start?.name ?? '', end?.name ?? '', colour?.name ?? ''],
    filter: { $and: [starts, ends] },
    sort: [start?.name ?? ''],
    pageSize: most,
    enabled: !!start,
  });
  if (!collection)
    return <Nothing text={t('The collection "{{name}}" does not exist (any more).', { name: block.collection })} />;
  if (!start) {
    return (
      <BlockFrame block={block}>
        <Nothing text={t('A calendar needs a date field: press the cog to choose it.')} />
      </BlockFrame>
    );
  }
  const view = block.actions?.find((action) => action.type === 'view');
  const add = block.actions?.find((action) => action.type === 'create');
  const day = (value: unknown) => (value ? dayjs(String(value)).format('YYYY-MM-DD') : '');
  const rows = records.data?.data ?? [];
  const on = (date: Dayjs) => {
    const text = date.format('YYYY-MM-DD');
    return rows.filter((row) => {
      const first = day(row[start.name]);
      const last = end && row[end.name] ? day(row[end.name]) : first;
      return first <= text && text <= last;
    });
  };
  const dot = (row: Row) => {
    const option = colour?.uiSchema?.enum?.find((one) => one.value === row[colour.name]);
    return option?.color && option.color !== 'default' ? option.color : 'cyan';
  };
  const cell = (date: Dayjs) => {
    const list = on(date);
    return (
      <ul className="calendar-day">
        {list.slice(0, perDay).map((row) => (
          <li key={String(keyOf(collection, row))}>
            <button
              type="button"
              className="link"
              onClick={(event) => {
                event.stopPropagation();
                if (view) page.open(block, view, keyOf(collection, row));
              }}
            >
              <Badge color={dot(row)} text={recordTitle(collection, row)} />
            </button>
          </li>
        ))}
        {list.length > perDay && <li className="quiet">+{list.length - perDay}</li>}
      </ul>
    );
  };
  const addOn = (date: Dayjs) => {
    if (!add || !session.can(collection.name, 'create')) return;
    const value =
      kindOf(start) === 'date'
        ? date.format('YYYY-MM-DD')
        : date.hour(9).minute(0).second(0).millisecond(0).toISOString();
    page.open(block, add, undefined, { [start.name]: value });
  };
  return (
    <BlockFrame block={block} tools={<BlockTools block={block} collection={collection} />}>
      {records.isError && <Failure error={records.error} retry={records.refetch} />}
      <Calendar
        fullscreen={!narrow}
        mode="month"
        value={month}
        onPanelChange={setMonth}
        onSelect={(date, { source }) => {
          setMonth(date);
          if (source === 'date' && !narrow) addOn(date);
        }}
        cellRender={(date, info) =>
          info.type === 'date' ? (
            narrow ? (
              on(date).length ? (
                <span className="calendar-dot" />
              ) : null
            ) : (
              cell(date)
            )
          ) : (
            info.originNode
          )
        }
      />
      {narrow && (
        <section aria-label={month.format('YYYY-MM-DD')} style={{ marginTop: 10 }}>
          <b>{month.format('YYYY-MM-DD')}</b>
          {cell(month)}
        </section>
      )}
    </BlockFrame>
  );
}
