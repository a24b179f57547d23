// Adds a record, or edits the popup's record.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button, Col, Form, Row as GridRow } from 'antd';
import { lazy, Suspense, useEffect, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, type Row } from '../api/client';
import { ApiError, entryText } from '../api/errors';
import { useSession } from '../app/session';
import { FieldInput } from '../fields/FieldInput';
import { Value } from '../fields/Value';
import { formRules, isRequired, toValue } from '../fields/values';
import { type Collection, type Field, fieldTitle, isReadOnly, kindOf } from '../model/collections';
import { useFeedback } from '../ui/feedback';
import { Failure, Loading, Nothing } from '../ui/states';
import { useNarrow } from '../ui/useNarrow';
import { BlockFrame } from './BlockFrame';
import { type BlockProps, usePage } from './context';
import { usePopups } from './Popups';
import { applyRules } from './rules';
import type { Block, FieldEntry } from './schema';
import { fieldsToLoad } from './useRecords';

const SubTable = lazy(() => import('../fields/SubTable'));

const wide = (field: Field, entry: FieldEntry) =>
  entry.mode === 'table' || ['longText', 'markdown', 'json'].includes(kindOf(field));

/** Rows of a sub-table are loaded whole, so that they can be edited. */
function appendsOfForm(
  entries: FieldEntry[],
  appends: string[],
  collection: Collection,
  find: (name?: string) => Collection | undefined,
): string[] {
  const nested: string[] = [];
  for (const entry of entries.filter((one) => one.mode === 'table')) {
    const target = find(collection.fields.find((field) => field.name === entry.name)?.target);
    for (const field of target?.fields ?? []) {
      if (kindOf(field) === 'toOne' && field.interface === 'm2o') nested.push(`${entry.name}.${field.name}`);
    }
  }
  return [...appends, ...nested];
}

function defaultsOf(collection: Collection, entries: FieldEntry[]): Row {
  const values: Row = {};
  for (const entry of entries) {
    const field = collection.fields.find((one) => one.name === entry.name);
    const given = entry.defaultValue ?? field?.defaultValue;
    if (given !== undefined && given !== null) values[entry.name] = given;
  }
  return values;
}

function FormBody({
  block,
  collection,
  record,
  recordKey,
  given,
}: {
  block: Block;
  collection: Collection;
  record?: Row;
  recordKey?: unknown;
  given?: Row;
}) {
  const { t } = useTranslation();
  const session = useSession();
  const page = usePage();
  const narrow = useNarrow();
  const client = useQueryClient();
  const { done, failed } = useFeedback();
  const [form] = Form.useForm<Row>();
  const [busy, setBusy] = useState(false);
  const [values, setValues] = useState<Row>({});
  const creating = recordKey === undefined;
  const right = creating ? 'create' : 'update';
  const entries = (block.fields ?? []).filter((entry) => collection.fields.some((field) => field.name === entry.name));
  const initial = useMemo(
    () => record ?? { ...defaultsOf(collection, block.fields ?? []), ...given },
    [record, collection, block.fields, given],
  );
  const now = { ...initial, ...values };
  const effects = applyRules(block.rules, entries, now);

  // What a rule computes appears while one types.
  useEffect(() => {
    if (!Object.keys(effects.values).length) return;
    form.setFieldsValue(effects.values);
    setValues((before) => ({ ...before, ...effects.values }));
  });

  const save = async () => {
    const all = await form.validateFields().catch(() => undefined);
    if (!all) return;
    const body: Row = {};
    for (const entry of entries) {
      const field = collection.fields.find((one) => one.name === entry.name)!;
      if (!(entry.name in all) || effects.states[entry.name]?.hidden) continue;
      const value = toValue(field, all[entry.name], session.collection, entry.mode === 'table');
      if (
        !creating &&
        JSON.stringify(value) ===
          JSON.stringify(toValue(field, record?.[entry.name], session.collection, entry.mode === 'table'))
      )
        continue;
      if (value !== undefined) body[entry.name] = value;
    }
    for (const [name, value] of Object.entries(given ?? {}))
      if (creating && !(name in body))
        body[name] = toValue(collection.fields.find((one) => one.name === name)!, value, session.collection);
    const inPlace = entries.filter((entry) => entry.mode === 'table').map((entry) => entry.name);
    const params = inPlace.length ? { updateAssociationValues: inPlace } : {};
    setBusy(true);
    try {
      const resource = page.createIn && creating ? page.createIn : collection.name;
      if (creating) await api.create(resource, body, params);
      else await api.update(collection.name, recordKey, body, params);
      client.invalidateQueries({ queryKey: ['records'] });
      done(creating ? t('Added') : t('Saved'));
      if (page.close) page.close();
      else {
        form.resetFields();
        setValues({});
      }
    } catch (error) {
      // Mistakes stand beside their fields, everything else is said once.
      const entriesOf = error instanceof ApiError ? error.errors : [];
      const mine = entriesOf.filter(
        (one) => one.field && entries.some((entry) => entry.name === one.field!.split('.')[0]),
      );
      form.setFields(mine.map((one) => ({ name: one.field!.split('.')[0], errors: [entryText(one)] })));
      if (!mine.length || mine.length < entriesOf.length) failed(error);
    } finally {
      setBusy(false);
    }
  };

  const readable = entries.filter((entry) => session.can(collection.name, right, entry.name));
  let section: string | undefined;
  return (
    <Form
      form={form}
      layout="vertical"
      initialValues={initial}
      onFinish={save}
      onValuesChange={(_, all) => setValues(all)}
      scrollToFirstError
    >
      <GridRow gutter={16}>
        {readable.flatMap((entry) => {
          const field = collection.fields.find((one) => one.name === entry.name)!;
          const state = effects.states[entry.name];
          const head =
            entry.section && entry.section !== section
              ? [
                  <Col span={24} key={`${entry.name}.section`}>
                    <h3 className="form-section">{entry.section}</h3>
                  </Col>,
                ]
              : [];
          section = entry.section ?? section;
          if (state.hidden) return head;
          const label = entry.title ?? fieldTitle(field);
          const required = state.required || isRequired(field);
          const readOnly = isReadOnly(field) || entry.readOnly;
          if (readOnly && creating && isReadOnly(field)) return head;
          return [
            ...head,
            <Col key={entry.name} span={narrow ? 24 : (entry.span ?? (wide(field, entry) ? 24 : 12))}>
              {readOnly ? (
                <Form.Item label={label} help={field.description || undefined}>
                  <Value full field={field} value={record?.[entry.name]} />
                </Form.Item>
              ) : (
                <Form.Item
                  name={entry.name}
                  label={label}
                  required={required}
                  rules={formRules(field, required)}
                  extra={field.description || undefined}
                  validateFirst
                >
                  {entry.mode === 'table' && kindOf(field) === 'toMany' ? (
                    <Deferred field={field} />
                  ) : (
                    <FieldInput field={field} disabled={state.disabled} aria-label={label} />
                  )}
                </Form.Item>
              )}
            </Col>,
          ];
        })}
      </GridRow>
      <div className="row" style={{ justifyContent: 'flex-end' }}>
        {page.close && <Button onClick={page.close}>{t('Cancel')}</Button>}
        <Button type="primary" htmlType="submit" loading={busy}>
          {creating ? t('Add') : t('Save')}
        </Button>
      </div>
    </Form>
  );
}

function Deferred(props: { field: Field; value?: Row[]; onChange?: (rows: Row[]) => void }) {
  return (
    <Suspense fallback={<Loading />}>
      <SubTable {...props} />
    </Suspense>
  );
}

export default function FormBlock({ block }: BlockProps) {
  const { t } = useTranslation();
  const session = useSession();
  const page = usePage();
  const { values } = usePopups();
  const collection = session.collection(block.collection);
  const parent = page.parent?.collection === block.collection ? page.parent : undefined;
  const key = parent?.key;
  const duplicate = page.action === 'duplicate';
  const entries = block.fields ?? [];
  const load = collection
    ? fieldsToLoad(
        collection,
        entries.map((entry) => entry.name),
      )
    : { fields: [], appends: [] };
  const params = {
    fields: load.fields,
    appends: collection ? appendsOfForm(entries, load.appends, collection, session.collection) : [],
  };
  const record = useQuery({
    queryKey: ['records', block.collection, 'get', key, params],
    queryFn: async ({ signal }) => (await api.get(collection!.name, key, params, signal)) ?? null,
    enabled: !!collection && key !== undefined,
    // While somebody types, the form must not change under their hands.
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  if (!collection)
    return <Nothing text={t('The collection "{{name}}" does not exist (any more).', { name: block.collection })} />;
  const frame = (content: React.ReactNode) => <BlockFrame block={block}>{content}</BlockFrame>;
  const creating = key === undefined || duplicate;
  if (!session.can(collection.name, creating ? 'create' : 'update')) {
    return frame(
      <Nothing
        text={creating ? t('Your role may not add records here.') : t('Your role may not change these records.')}
      />,
    );
  }
  if (record.isError) return frame(<Failure error={record.error} retry={record.refetch} />);
  if (key !== undefined && record.data === undefined) return frame(<Loading />);
  if (key !== undefined && record.data === null)
    return frame(<Nothing text={t('This record does not exist (any more).')} />);
  if (duplicate) {
    const copied = Object.fromEntries(
      Object.entries(record.data ?? {}).filter(([name]) => entries.some((entry) => entry.name === name)),
    );
    return frame(<FormBody block={block} collection={collection} given={copied} />);
  }
  return frame(
    <FormBody block={block} collection={collection} record={record.data ?? undefined} recordKey={key} given={values} />,
  );
}
