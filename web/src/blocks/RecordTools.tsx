// Buttons of a block that stand above its records, and those of one record.
import {
  CopyOutlined,
  DeleteOutlined,
  EditOutlined,
  EyeOutlined,
  FilterOutlined,
  LinkOutlined,
  PlusOutlined,
  ReloadOutlined,
} from '@ant-design/icons';
import { useQueryClient } from '@tanstack/react-query';
import { Badge, Button, Popover, Tooltip } from 'antd';
import { type ReactNode, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate } from 'react-router-dom';
import type { Row } from '../api/client';
import { useSession } from '../app/session';
import { FilterBuilder } from '../fields/FilterBuilder';
import { type Collection, keyOf, recordTitle } from '../model/collections';
import { useFeedback } from '../ui/feedback';
import { usePage } from './context';
import type { Action, Block } from './schema';
import { useDelete } from './useRecords';

export function FilterButton({
  collection,
  value,
  onChange,
}: {
  collection: Collection;
  value?: Row;
  onChange: (filter: Row | undefined) => void;
}) {
  const { t } = useTranslation();
  const [draft, setDraft] = useState(value);
  const [open, setOpen] = useState(false);
  const [round, setRound] = useState(0);
  const count = value ? (Object.values(value)[0]?.length ?? 1) : 0;
  const apply = (next: Row | undefined) => {
    onChange(next);
    setOpen(false);
  };
  return (
    <Popover
      trigger="click"
      placement="bottomLeft"
      open={open}
      onOpenChange={setOpen}
      content={
        <div className="stack" style={{ width: 'min(560px, 82vw)' }}>
          <FilterBuilder key={round} collection={collection} value={value} onChange={setDraft} />
          <div className="row" style={{ justifyContent: 'flex-end' }}>
            <Button
              onClick={() => {
                setDraft(undefined);
                setRound(round + 1);
                apply(undefined);
              }}
            >
              {t('Reset')}
            </Button>
            <Button type="primary" onClick={() => apply(draft)}>
              {t('Filter')}
            </Button>
          </div>
        </div>
      }
    >
      <Badge count={count} size="small">
        <Button icon={<FilterOutlined />}>{t('Filter')}</Button>
      </Badge>
    </Popover>
  );
}

export function LinkAction({ action, row }: { action: Action; row?: Row }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const href = (action.href ?? '').replace(/\{\{\s*([\w.]+)\s*\}\}/g, (_, name: string) =>
    encodeURIComponent(String(row?.[name] ?? '')),
  );
  const go = () => {
    if (href.startsWith('/') && !href.startsWith('//')) navigate(href);
    else if (/^https?:\/\//.test(href)) window.open(href, '_blank', 'noopener');
  };
  return (
    <Button icon={<LinkOutlined />} type={row ? 'text' : 'default'} size={row ? 'small' : undefined} onClick={go}>
      {action.title ?? t('Link')}
    </Button>
  );
}

/** Add, refresh, filter, links: what stands above the records. */
export function BlockTools({
  block,
  collection,
  filter,
  setFilter,
  children,
  createValues,
}: {
  block: Block;
  collection: Collection;
  filter?: Row;
  setFilter?: (filter: Row | undefined) => void;
  children?: ReactNode;
  createValues?: Row;
}) {
  const { t } = useTranslation();
  const session = useSession();
  const page = usePage();
  const client = useQueryClient();
  return (
    <>
      {block.actions?.map((action, index) => {
        if (action.type === 'filter' && setFilter)
          return <FilterButton key={index} collection={collection} value={filter} onChange={setFilter} />;
        if (action.type === 'refresh') {
          return (
            <Tooltip title={t('Refresh')} key={index}>
              <Button
                icon={<ReloadOutlined />}
                aria-label={t('Refresh')}
                onClick={() => client.invalidateQueries({ queryKey: ['records', collection.name] })}
              />
            </Tooltip>
          );
        }
        if (action.type === 'link' && !action.href?.includes('{{')) return <LinkAction key={index} action={action} />;
        return null;
      })}
      {children}
      {block.actions?.map((action, index) =>
        action.type === 'create' && session.can(collection.name, 'create') ? (
          <Button
            key={index}
            type="primary"
            icon={<PlusOutlined />}
            onClick={() => page.open(block, action, undefined, createValues)}
          >
            {action.title ?? t('Add')}
          </Button>
        ) : null,
      )}
    </>
  );
}

const icons = {
  view: <EyeOutlined />,
  update: <EditOutlined />,
  destroy: <DeleteOutlined />,
  duplicate: <CopyOutlined />,
};

/** Buttons of one record. `labels`: with words beside the icons. */
export function RecordActions({
  block,
  collection,
  row,
  labels,
  after,
}: {
  block: Block;
  collection: Collection;
  row: Row;
  labels?: boolean;
  after?: () => void;
}) {
  const { t } = useTranslation();
  const session = useSession();
  const page = usePage();
  const { ask } = useFeedback();
  const remove = useDelete(collection);
  const key = keyOf(collection, row);
  const name = recordTitle(collection, row);
  const titles: Record<string, string> = {
    view: t('View'),
    update: t('Edit'),
    destroy: t('Delete'),
    duplicate: t('Duplicate'),
  };
  const rights = { view: 'view', update: 'update', destroy: 'destroy', duplicate: 'create' } as const;
  const run = async (action: Action) => {
    if (action.type !== 'destroy') return page.open(block, action, key);
    if (!(await ask(t('Delete "{{name}}"?', { name })))) return;
    if (await remove([key], t('"{{name}}" was deleted', { name }))) after?.();
  };
  return (
    <>
      {block.actions?.map((action, index) => {
        if (action.type === 'link' && (labels || action.href?.includes('{{')))
          return <LinkAction key={index} action={action} row={row} />;
        if (!(action.type in rights)) return null;
        const type = action.type as keyof typeof rights;
        if (!session.can(collection.name, rights[type])) return null;
        const title = action.title ?? titles[type];
        const button = (
          <Button
            key={index}
            type={labels ? 'default' : 'text'}
            size={labels ? 'middle' : 'small'}
            danger={type === 'destroy'}
            icon={icons[type]}
            aria-label={labels ? undefined : `${title}: ${name}`}
            onClick={(event) => {
              event.stopPropagation();
              run(action);
            }}
          >
            {labels ? title : null}
          </Button>
        );
        return labels ? (
          button
        ) : (
          <Tooltip key={index} title={title}>
            {button}
          </Tooltip>
        );
      })}
    </>
  );
}
