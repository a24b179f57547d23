// From what a chart block says to a query of the aggregate API, and from its answer to an ECharts option.
import type { Row } from '../api/client';
import { type Collection, type Field, kindOf, titleField } from '../model/collections';
import type { Block } from './schema';

type Find = (name?: string) => Collection | undefined;

function dimensionOf(field: Field, find: Find, alias: string, format?: string): Row {
  const target = find(field.target);
  const path = target ? `${field.name}.${titleField(target)}` : field.name;
  const isDate = ['date', 'dateTime', 'dateTimeLocal'].includes(kindOf(field));
  return { field: path, alias, ...(isDate ? { format: format ?? 'YYYY-MM' } : {}) };
}

export function queryOf(block: Block, collection: Collection, find: Find, filter?: Row): Row {
  const options = block.options ?? {};
  const byName = (name?: string) => collection.fields.find((field) => field.name === name);
  const dimension = options.kind === 'figure' ? undefined : byName(options.dimension);
  const series = options.kind === 'figure' || options.kind === 'pie' ? undefined : byName(options.series);
  const measure =
    options.aggregation === 'count' || !byName(options.measure)
      ? { field: keyName(collection), aggregation: 'count' }
      : { field: options.measure, aggregation: options.aggregation };
  const dimensions = [
    ...(dimension ? [dimensionOf(dimension, find, 'x', options.format)] : []),
    ...(series ? [dimensionOf(series, find, 'series')] : []),
  ];
  const inTime = dimension && ['date', 'dateTime', 'dateTimeLocal', 'integer', 'number'].includes(kindOf(dimension));
  return {
    measures: [{ ...measure, alias: 'y' }],
    dimensions,
    orders: dimensions.length
      ? [
          inTime
            ? { field: dimensions[0].field, alias: 'x', order: 'asc' }
            : { field: measure.field, alias: 'y', order: 'desc' },
        ]
      : undefined,
    filter,
    limit: options.limit ?? 200,
  };
}

const keyName = (collection: Collection) =>
  (Array.isArray(collection.filterTargetKey) ? collection.filterTargetKey[0] : collection.filterTargetKey) ?? 'id';

/** What people read in place of a stored value. */
export function labelOf(field: Field | undefined, value: unknown, none: string): string {
  if (value === null || value === undefined || value === '') return none;
  return field?.uiSchema?.enum?.find((one) => String(one.value) === String(value))?.label ?? String(value);
}

const palette = ['#0f766e', '#2f80c2', '#d98324', '#8a5cc7', '#c2456b', '#5b8c3a', '#b5862b', '#5c6f7b'];

export function optionOf(
  block: Block,
  rows: Row[],
  collection: Collection,
  texts: { none: string; name: string; dark: boolean },
): Row {
  const options = block.options ?? {};
  const byName = (name?: string) => collection.fields.find((field) => field.name === name);
  const x = byName(options.dimension);
  const split = byName(options.series);
  const ink = texts.dark ? '#cfdcde' : '#3b4a4b';
  const line = texts.dark ? '#2a383c' : '#e6eaec';
  const common = {
    color: palette,
    textStyle: { fontFamily: 'inherit', color: ink },
    animationDuration: 300,
    aria: { enabled: true },
  };
  if (options.kind === 'pie') {
    return {
      ...common,
      tooltip: { trigger: 'item' },
      legend: { bottom: 0, type: 'scroll', textStyle: { color: ink } },
      series: [
        {
          type: 'pie',
          radius: ['42%', '70%'],
          center: ['50%', '44%'],
          label: { color: ink },
          data: rows.map((row) => ({ name: labelOf(x, row.x, texts.none), value: Number(row.y) })),
        },
      ],
    };
  }
  const categories = [...new Set(rows.map((row) => labelOf(x, row.x, texts.none)))];
  const names = split ? [...new Set(rows.map((row) => labelOf(split, row.series, texts.none)))] : [texts.name];
  const type =
    options.kind === 'area' || options.kind === 'line' ? 'line' : options.kind === 'scatter' ? 'scatter' : 'bar';
  const at = (category: string, name: string) => {
    const row = rows.find(
      (one) =>
        labelOf(x, one.x, texts.none) === category && (!split || labelOf(split, one.series, texts.none) === name),
    );
    return row ? Number(row.y) : split && type === 'bar' ? 0 : null;
  };
  return {
    ...common,
    tooltip: { trigger: 'axis' },
    legend: split ? { bottom: 0, type: 'scroll', textStyle: { color: ink } } : undefined,
    grid: { left: 8, right: 16, top: 16, bottom: split ? 34 : 8, containLabel: true },
    xAxis: {
      type: 'category',
      data: categories,
      axisLabel: { color: ink, hideOverlap: true },
      axisLine: { lineStyle: { color: line } },
      axisTick: { show: false },
    },
    yAxis: { type: 'value', axisLabel: { color: ink }, splitLine: { lineStyle: { color: line } } },
    series: names.map((name) => ({
      name,
      type,
      stack: split && type !== 'scatter' ? 'all' : undefined,
      areaStyle: options.kind === 'area' ? { opacity: 0.25 } : undefined,
      smooth: type === 'line',
      barMaxWidth: 44,
      itemStyle: type === 'bar' ? { borderRadius: split ? 0 : [4, 4, 0, 0] } : undefined,
      data: categories.map((category) => at(category, name)),
    })),
  };
}
