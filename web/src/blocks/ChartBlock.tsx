import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { lazy, Suspense } from 'react';
import { useTranslation } from 'react-i18next';
import { call, type Row } from '../api/client';
import { useSession } from '../app/session';
import { useDark } from '../app/theme';
import { formatNumber } from '../fields/Value';
import { fieldTitle } from '../model/collections';
import { Failure, Loading, Nothing } from '../ui/states';
import { BlockFrame } from './BlockFrame';
import { labelOf, optionOf, queryOf } from './chart';
import { type BlockProps, usePage } from './context';
import { resourceOf } from './defaults';
import { allOf, withParent } from './useRecords';

const Plot = lazy(() => import('./Plot'));

export default function ChartBlock({ block }: BlockProps) {
  const { t, i18n } = useTranslation();
  const session = useSession();
  const page = usePage();
  const dark = useDark();
  const collection = session.collection(block.collection);
  const options = block.options ?? {};
  const backward = block.association
    ? session.collection(page.parent?.collection)?.fields.find((field) => field.name === block.association)?.foreignKey
    : undefined;
  // Aggregates are not asked behind an association; its foreign key says the same.
  const narrowed = backward && page.parent ? { [backward]: page.parent.key } : undefined;
  const query =
    collection &&
    queryOf(
      block,
      collection,
      session.collection,
      allOf(withParent(block.filter, page.parent?.key), page.filters[block.uid], narrowed),
    );
  const answer = useQuery({
    queryKey: ['records', block.collection, 'query', query],
    queryFn: async ({ signal }) =>
      (
        await call<Row[]>(`${block.association ? collection!.name : resourceOf(block, page.parent)}:query`, {
          values: query,
          signal,
        })
      ).data,
    enabled: !!query && (options.kind === 'figure' || !!options.dimension),
    placeholderData: keepPreviousData,
  });
  if (!collection)
    return <Nothing text={t('The collection "{{name}}" does not exist (any more).', { name: block.collection })} />;
  const field = (name?: string) => collection.fields.find((one) => one.name === name);
  const measure = field(options.measure);
  const what =
    options.aggregation === 'count' || !measure
      ? t('aggregate.count')
      : `${t(`aggregate.${options.aggregation}`)} · ${fieldTitle(measure)}`;
  const dimension = field(options.dimension);
  const title =
    options.kind === 'figure' || !dimension
      ? what
      : t('{{what}} by {{dimension}}', { what, dimension: fieldTitle(dimension) });
  const content = () => {
    if (options.kind !== 'figure' && !options.dimension)
      return <Nothing text={t('Press the cog to choose what the chart shows.')} />;
    if (answer.isError) return <Failure error={answer.error} retry={answer.refetch} />;
    if (!answer.data) return <Loading />;
    if (options.kind === 'figure') {
      const value = answer.data[0]?.y ?? 0;
      const shown =
        measure && options.aggregation !== 'count'
          ? formatNumber(measure, value, i18n.language)
          : new Intl.NumberFormat(i18n.language, { maximumFractionDigits: 2 }).format(Number(value));
      return <div className="figure">{shown}</div>;
    }
    if (!answer.data.length) return <Nothing text={t('There are no records yet.')} />;
    return (
      <>
        <Suspense fallback={<Loading />}>
          <Plot
            option={optionOf(block, answer.data, collection, { none: t('None'), name: what, dark })}
            height={options.height ?? 280}
          />
        </Suspense>
        <table className="sr-only">
          <caption>{title}</caption>
          <tbody>
            {answer.data.slice(0, 50).map((row, index) => (
              <tr key={index}>
                <th scope="row">{labelOf(dimension, row.x, t('None'))}</th>
                <td>{String(row.y)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </>
    );
  };
  return (
    <BlockFrame block={block} title={title}>
      {content()}
    </BlockFrame>
  );
}
