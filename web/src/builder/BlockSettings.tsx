// Sets a block up: title, fields, filter, order, actions, and what its kind needs beside that.
import { Button, Checkbox, Drawer, Form, Input, InputNumber, Select, Switch, Tabs } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useSession } from '../app/session';
import { blockKind } from '../blocks/registry';
import type { Action, ActionType, Block, Page } from '../blocks/schema';
import { FilterBuilder } from '../fields/FilterBuilder';
import { type Collection, fieldTitle, isRelation, isVisible, kindOf } from '../model/collections';
import { FieldList } from './FieldList';
import { RuleList } from './RuleList';

const offered: Partial<Record<Block['type'], ActionType[]>> = {
  table: ['filter', 'refresh', 'create', 'view', 'update', 'duplicate', 'destroy', 'link'],
  list: ['filter', 'refresh', 'create', 'view', 'update', 'destroy', 'link'],
  kanban: ['create', 'view', 'filter', 'refresh'],
  calendar: ['create', 'view'],
  details: ['update', 'duplicate', 'destroy', 'link'],
};
const actionTitles: Record<ActionType, string> = {
  filter: 'Filter',
  refresh: 'Refresh',
  create: 'Add',
  view: 'View',
  update: 'Edit',
  duplicate: 'Duplicate',
  destroy: 'Delete',
  link: 'Link',
};

function Actions({ block, set }: { block: Block; set: (block: Block) => void }) {
  const { t } = useTranslation();
  const actions = block.actions ?? [];
  const change = (next: Action[]) => set({ ...block, actions: next });
  return (
    <div className="stack">
      {offered[block.type]!.map((type) => {
        const action = actions.find((one) => one.type === type);
        const put = (next: Action) => change(actions.map((one) => (one.type === type ? next : one)));
        return (
          <div key={type} className="stack" style={{ gap: 4 }}>
            <Checkbox
              checked={!!action}
              onChange={(event) =>
                change(event.target.checked ? [...actions, { type }] : actions.filter((one) => one.type !== type))
              }
            >
              {t(actionTitles[type])}
            </Checkbox>
            {action && !['filter', 'refresh'].includes(type) && (
              <div className="row wrap" style={{ paddingInlineStart: 24 }}>
                <Input
                  style={{ width: 180 }}
                  aria-label={t('Label')}
                  placeholder={t('Label')}
                  value={action.title ?? ''}
                  onChange={(event) => put({ ...action, title: event.target.value || undefined })}
                />
                {type === 'link' && (
                  <Input
                    style={{ width: 240 }}
                    aria-label={t('Address')}
                    placeholder="https://… {{id}}"
                    value={action.href ?? ''}
                    onChange={(event) => put({ ...action, href: event.target.value })}
                  />
                )}
                {['create', 'view', 'update', 'duplicate'].includes(type) && (
                  <Select
                    style={{ width: 150 }}
                    aria-label={t('Opens in')}
                    value={action.show ?? 'drawer'}
                    options={[
                      { value: 'drawer', label: t('in a side sheet') },
                      { value: 'dialog', label: t('in a dialog') },
                    ]}
                    onChange={(show) => put({ ...action, show })}
                  />
                )}
              </div>
            )}
          </div>
        );
      })}
      <p className="quiet">
        {t('To change what a button opens, press it while pages are edited: what opens can be edited like a page.')}
      </p>
    </div>
  );
}

function Special({
  block,
  set,
  page,
  collection,
}: {
  block: Block;
  set: (block: Block) => void;
  page: Page;
  collection?: Collection;
}) {
  const { t } = useTranslation();
  const options = block.options ?? {};
  const put = (more: Record<string, unknown>) => set({ ...block, options: { ...options, ...more } });
  const fields = (...kinds: string[]) =>
    (collection?.fields ?? [])
      .filter((field) => isVisible(field) && (!kinds.length || kinds.includes(kindOf(field))))
      .map((field) => ({ value: field.name, label: fieldTitle(field) }));
  const choice = (label: string, name: string, list: { value: string; label: string }[], clear = false) => (
    <Form.Item label={label} key={name}>
      <Select
        allowClear={clear}
        aria-label={label}
        value={options[name]}
        options={list}
        onChange={(value) => put({ [name]: value })}
      />
    </Form.Item>
  );
  switch (block.type) {
    case 'markdown':
      return (
        <Form.Item label={t('Text (Markdown)')}>
          <Input.TextArea
            aria-label={t('Text (Markdown)')}
            autoSize={{ minRows: 8 }}
            value={options.text ?? ''}
            onChange={(event) => put({ text: event.target.value })}
          />
        </Form.Item>
      );
    case 'iframe':
      return (
        <>
          <Form.Item label={t('Address')}>
            <Input
              aria-label={t('Address')}
              value={options.url ?? ''}
              placeholder="https://"
              onChange={(event) => put({ url: event.target.value })}
            />
          </Form.Item>
          <Form.Item label={t('Height in pixels')}>
            <InputNumber
              aria-label={t('Height in pixels')}
              min={100}
              max={3000}
              value={options.height ?? 400}
              onChange={(height) => put({ height })}
            />
          </Form.Item>
        </>
      );
    case 'kanban':
      return <>{choice(t('Columns by'), 'group', fields('select', 'toOne'))}</>;
    case 'calendar':
      return (
        <>
          {choice(t('Begins'), 'start', fields('date', 'dateTime', 'dateTimeLocal'))}
          {choice(t('Ends'), 'end', fields('date', 'dateTime', 'dateTimeLocal'), true)}
          {choice(t('Colour by'), 'colour', fields('select'), true)}
        </>
      );
    case 'chart': {
      const dimension = collection?.fields.find((field) => field.name === options.dimension);
      return (
        <>
          {choice(
            t('Kind of chart'),
            'kind',
            ['bar', 'line', 'area', 'pie', 'scatter', 'figure'].map((value) => ({ value, label: t(`chart.${value}`) })),
          )}
          {choice(
            t('Calculates'),
            'aggregation',
            ['count', 'sum', 'avg', 'min', 'max'].map((value) => ({ value, label: t(`aggregate.${value}`) })),
          )}
          {options.aggregation !== 'count' && choice(t('of'), 'measure', fields('integer', 'number', 'percent'))}
          {options.kind !== 'figure' &&
            choice(
              t('for each'),
              'dimension',
              (collection?.fields ?? [])
                .filter((field) => isVisible(field) && kindOf(field) !== 'toMany' && kindOf(field) !== 'json')
                .map((field) => ({ value: field.name, label: fieldTitle(field) })),
            )}
          {dimension &&
            ['date', 'dateTime', 'dateTimeLocal'].includes(kindOf(dimension)) &&
            choice(t('by'), 'format', [
              { value: 'YYYY', label: t('year') },
              { value: 'YYYY-MM', label: t('month') },
              { value: 'YYYY-MM-DD', label: t('day') },
            ])}
          {options.kind !== 'figure' && choice(t('split by'), 'series', fields('select', 'boolean', 'toOne'), true)}
        </>
      );
    }
    case 'filter':
      return (
        <Form.Item
          label={t('Filters these blocks')}
          extra={t('None chosen: all blocks with records of this collection.')}
        >
          <Checkbox.Group
            value={options.targets ?? []}
            options={page.blocks
              .filter((one) => one.uid !== block.uid && one.collection === block.collection && one.type !== 'form')
              .map((one) => ({ value: one.uid, label: one.title || t(blockKind(one.type)?.title ?? one.type) }))}
            onChange={(targets) => put({ targets })}
          />
        </Form.Item>
      );
    case 'table':
      return (
        <>
          <Form.Item label={t('Edit in the cells (double click)')}>
            <Switch
              aria-label={t('Edit in the cells (double click)')}
              checked={!!options.inlineEdit}
              onChange={(inlineEdit) => put({ inlineEdit })}
            />
          </Form.Item>
          {collection?.tree && (
            <Form.Item label={t('Show as a tree')}>
              <Switch
                aria-label={t('Show as a tree')}
                checked={options.tree !== false}
                onChange={(tree) => put({ tree })}
              />
            </Form.Item>
          )}
        </>
      );
    default:
      return null;
  }
}

function SortSetting({
  block,
  collection,
  set,
}: {
  block: Block;
  collection: Collection;
  set: (block: Block) => void;
}) {
  const { t } = useTranslation();
  const current = block.sort?.[0] ?? '';
  const name = current.replace(/^-/, '');
  const sortable = collection.fields.filter(
    (field) => (isVisible(field) || field.type === 'sort') && !isRelation(field) && kindOf(field) !== 'json',
  );
  return (
    <Form.Item label={t('Order')}>
      <div className="row">
        <Select
          allowClear
          aria-label={t('Order by')}
          value={name || undefined}
          placeholder={t('As they were added')}
          options={sortable.map((field) => ({ value: field.name, label: fieldTitle(field) }))}
          onChange={(next) => set({ ...block, sort: next ? [next] : undefined })}
        />
        {name && (
          <Select
            style={{ width: 140 }}
            aria-label={t('Direction')}
            value={current.startsWith('-') ? 'down' : 'up'}
            options={[
              { value: 'up', label: t('ascending') },
              { value: 'down', label: t('descending') },
            ]}
            onChange={(next) => set({ ...block, sort: [next === 'down' ? `-${name}` : name] })}
          />
        )}
      </div>
    </Form.Item>
  );
}

export function BlockSettings({
  block,
  page,
  save,
  close,
}: {
  block: Block;
  page: Page;
  save: (block: Block) => void;
  close: () => void;
}) {
  const { t } = useTranslation();
  const session = useSession();
  const [draft, setDraft] = useState(block);
  const collection = session.collection(draft.collection);
  const lists = ['table', 'list', 'kanban', 'calendar', 'chart'].includes(draft.type);
  const general = (
    <Form layout="vertical" component="div">
      <Form.Item label={t('Title')}>
        <Input
          aria-label={t('Title')}
          value={draft.title ?? ''}
          onChange={(event) => setDraft({ ...draft, title: event.target.value || undefined })}
        />
      </Form.Item>
      <Special block={draft} set={setDraft} page={page} collection={collection} />
      {collection && lists && draft.type !== 'chart' && (
        <SortSetting block={draft} collection={collection} set={setDraft} />
      )}
      {['table', 'list'].includes(draft.type) && (
        <Form.Item label={t('Records on a page')}>
          <Select
            aria-label={t('Records on a page')}
            value={draft.pageSize ?? 20}
            options={[5, 10, 12, 20, 50, 100, 1000, 10000].map((value) => ({ value, label: value }))}
            onChange={(pageSize) => setDraft({ ...draft, pageSize })}
          />
        </Form.Item>
      )}
    </Form>
  );
  const tabs = [
    { key: 'general', label: t('General'), children: general },
    ...(collection && draft.fields
      ? [
          {
            key: 'fields',
            label: t('Fields'),
            children: (
              <FieldList collection={collection} block={draft} onChange={(fields) => setDraft({ ...draft, fields })} />
            ),
          },
        ]
      : []),
    ...(collection && (lists || draft.type === 'details')
      ? [
          {
            key: 'filter',
            label: t('Which records'),
            children: (
              <FilterBuilder
                collection={collection}
                value={draft.filter}
                onChange={(filter) => setDraft({ ...draft, filter })}
              />
            ),
          },
        ]
      : []),
    ...(offered[draft.type]
      ? [{ key: 'actions', label: t('Buttons'), children: <Actions block={draft} set={setDraft} /> }]
      : []),
    ...(collection && draft.type === 'form'
      ? [
          {
            key: 'rules',
            label: t('Rules'),
            children: (
              <RuleList collection={collection} block={draft} onChange={(rules) => setDraft({ ...draft, rules })} />
            ),
          },
        ]
      : []),
  ];
  return (
    <Drawer
      open
      size={560}
      title={t('Set up {{name}}', { name: t(blockKind(block.type)?.title ?? block.type) })}
      onClose={close}
      footer={
        <div className="row" style={{ justifyContent: 'flex-end' }}>
          <Button onClick={close}>{t('Cancel')}</Button>
          <Button
            type="primary"
            onClick={() => {
              save(draft);
              close();
            }}
          >
            {t('Apply')}
          </Button>
        </div>
      }
    >
      <Tabs items={tabs} />
    </Drawer>
  );
}
