// Popups are pages over the page. Which are open stands in the address (steps.ts).
import { Drawer, Modal } from 'antd';
import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useLocation, useNavigate, useParams } from 'react-router-dom';
import type { Row } from '../api/client';
import { useSession } from '../app/session';
import { type Collection, collectionTitle } from '../model/collections';
import { useEditing } from '../shell/editing';
import { useNarrow } from '../ui/useNarrow';
import { PageContext, type PageContextValue } from './context';
import { defaultPopup, resourceOf } from './defaults';
import { Grid } from './Grid';
import type { Action, Block, Page, Parent } from './schema';
import { formatSteps, parseSteps, type Step } from './steps';

const keyText = (key: unknown) =>
  key === undefined || key === null ? '_' : typeof key === 'object' ? JSON.stringify(key) : String(key);

export interface PopupState {
  steps: Step[];
  go: (next: Step[], values?: Row) => void;
  /** Values that the form of the topmost popup begins with. */
  values?: Row;
}
/** Set where popups are not in the address (RecordBrowser). */
export const PopupStateContext = createContext<PopupState | null>(null);

export function usePopups(): PopupState {
  const given = useContext(PopupStateContext);
  const { uid } = useParams();
  const rest = useParams()['*'] ?? '';
  const { state } = useLocation();
  const navigate = useNavigate();
  // useParams decodes; the raw path keeps slashes inside of keys apart.
  const { pathname } = useLocation();
  const raw = pathname.split('/').slice(3).join('/');
  const steps = useMemo(() => parseSteps(raw || rest), [raw, rest]);
  const go = useCallback(
    (next: Step[], values?: Row) =>
      navigate(`/page/${uid}${next.length ? `/${formatSteps(next)}` : ''}`, { state: values ? { values } : null }),
    [navigate, uid],
  );
  return given ?? { steps, go, values: (state as { values?: Row } | null)?.values };
}

/** Gives the blocks of one page what they share. `depth`: how many popups are below it. */
export function PageFrame({
  page,
  popups,
  depth,
  parent,
  action,
  createIn,
  plain,
  children,
}: {
  page: Page;
  popups: PopupState;
  depth: number;
  parent?: Parent;
  action?: string;
  createIn?: string;
  /** Never edited. */
  plain?: boolean;
  children: ReactNode;
}) {
  const editing = useEditing().editing && !plain;
  const [filters, setFilters] = useState<Record<string, Record<string, Row | undefined>>>({});
  const setFilter = useCallback((by: string, targets: string[], filter: Row | undefined) => {
    setFilters((now) => ({ ...now, [by]: Object.fromEntries(targets.map((uid) => [uid, filter])) }));
  }, []);
  const value = useMemo<PageContextValue>(() => {
    const below = popups.steps.slice(0, depth);
    const merged: Record<string, Row | undefined> = {};
    for (const one of Object.values(filters)) {
      for (const [uid, filter] of Object.entries(one)) {
        if (filter) merged[uid] = merged[uid] ? { $and: [merged[uid], filter] } : filter;
      }
    }
    return {
      page,
      parent,
      action,
      createIn,
      filters: merged,
      setFilter,
      open: (block, action, key, values) =>
        popups.go([...below, { kind: 'action', block: block.uid, action: action.type, key: keyText(key) }], values),
      openRecord: (collection, key) => popups.go([...below, { kind: 'record', collection, key: keyText(key) }]),
      close: depth > 0 ? () => popups.go(popups.steps.slice(0, depth - 1)) : undefined,
      editing,
    };
  }, [page, parent, action, createIn, filters, setFilter, popups, depth, editing]);
  return <PageContext.Provider value={value}>{children}</PageContext.Provider>;
}

interface Opened {
  page: Page;
  collection: Collection;
  parent: Parent;
  action: string;
  createIn?: string;
  title?: string;
  show: 'drawer' | 'dialog';
  width: number;
  change?: (page: Page) => void;
}

function parseKey(text: string): unknown {
  if (text === '_') return undefined;
  if (text.startsWith('{')) {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  return text;
}

/** What a step opens on `page`; undefined when the page has changed since the address was made. */
function opened(
  step: Step,
  page: Page,
  find: (name?: string) => Collection | undefined,
  change: ((page: Page) => void) | undefined,
  around: Parent | undefined,
): Opened | undefined {
  if (step.kind === 'record') {
    const collection = find(step.collection);
    if (!collection) return undefined;
    return {
      page: defaultPopup(`r.${collection.name}`, 'view', collection, find),
      collection,
      parent: { collection: collection.name, key: parseKey(step.key) },
      action: 'view',
      show: 'drawer',
      width: 760,
    };
  }
  const block: Block | undefined = page.blocks.find((one) => one.uid === step.block);
  const collection = find(block?.collection);
  if (!block || !collection) return undefined;
  const action: Action = block.actions?.find((one) => one.type === step.action) ?? {
    type: step.action as Action['type'],
  };
  const store = (popup: Page) =>
    change?.({
      ...page,
      blocks: page.blocks.map((one) =>
        one.uid === block.uid
          ? {
              ...one,
              actions: one.actions?.some((item) => item.type === action.type)
                ? one.actions.map((item) => (item.type === action.type ? { ...item, popup } : item))
                : [...(one.actions ?? []), { ...action, popup }],
            }
          : one,
      ),
    });
  return {
    page: action.popup ?? defaultPopup(block.uid, action.type, collection, find),
    collection,
    parent: { collection: collection.name, key: parseKey(step.key) },
    action: action.type,
    createIn: action.type === 'create' && block.association ? resourceOf(block, around) : undefined,
    title: action.title,
    show: action.show ?? 'drawer',
    width: action.width ?? (action.type === 'view' ? 760 : 600),
    change: change ? store : undefined,
  };
}

export function Popups({
  page,
  popups,
  change,
  depth = 0,
  parent,
}: {
  page: Page;
  popups: PopupState;
  change?: (page: Page) => void;
  depth?: number;
  /** The record of the popup that `page` is. */
  parent?: Parent;
}) {
  const { t } = useTranslation();
  const session = useSession();
  const narrow = useNarrow();
  const step = popups.steps[depth];
  const now = step ? opened(step, page, session.collection, change, parent) : undefined;
  if (!now) return null;
  const name = collectionTitle(now.collection);
  const titles: Record<string, string> = {
    create: t('Add {{name}}', { name }),
    update: t('Edit {{name}}', { name }),
    duplicate: t('Duplicate {{name}}', { name }),
    view: name,
  };
  const title = now.title ?? titles[now.action] ?? name;
  const close = () => popups.go(popups.steps.slice(0, depth));
  const content = (
    <div className={now.change ? 'editing' : undefined}>
      <PageFrame
        page={now.page}
        popups={popups}
        depth={depth + 1}
        parent={now.parent}
        action={now.action}
        createIn={now.createIn}
      >
        <Grid page={now.page} change={now.change} plain />
      </PageFrame>
      <Popups page={now.page} popups={popups} change={now.change} depth={depth + 1} parent={now.parent} />
    </div>
  );
  if (now.show === 'dialog' && !narrow) {
    return (
      <Modal open title={title} onCancel={close} footer={null} width={now.width} destroyOnHidden>
        {content}
      </Modal>
    );
  }
  return (
    <Drawer
      open
      title={title}
      onClose={close}
      size={narrow ? '100%' : now.width}
      destroyOnHidden
      styles={{ body: { background: 'var(--soft)', padding: narrow ? 10 : 16 } }}
    >
      {content}
    </Drawer>
  );
}
