// A page of the menu: loads it, shows its blocks and the popups of its address, and lets it be edited.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button, Dropdown } from 'antd';
import { lazy, Suspense, useCallback, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useParams } from 'react-router-dom';
import { call } from '../api/client';
import { type MenuItem, useSession } from '../app/session';
import { useEditing } from '../shell/editing';
import { useFeedback } from '../ui/feedback';
import { Failure, Loading } from '../ui/states';
import { Grid } from './Grid';
import { PageFrame, Popups, usePopups } from './Popups';
import type { Page } from './schema';

const PageMenu = lazy(() => import('../builder/PageMenu'));

export interface StoredPage {
  uid: string;
  title: string;
  version: number;
  schema: Page;
}

function findItem(menu: MenuItem[], uid: string): MenuItem | undefined {
  for (const item of menu) {
    if (item.schemaUid === uid) return item;
    const inner = findItem(item.children ?? [], uid);
    if (inner) return inner;
  }
}

/** The page being edited: changes are kept here until they are saved. */
function useDraft(stored: StoredPage | undefined, editing: boolean) {
  const client = useQueryClient();
  const { failed } = useFeedback();
  const [draft, setDraft] = useState<Page>();
  const pending = useRef<{ uid: string; draft: Page }>(undefined);
  pending.current = stored && draft ? { uid: stored.uid, draft } : undefined;
  const running = useRef<{ draft: Page; end: Promise<void> }>(undefined);

  const save = useCallback(async () => {
    const work = pending.current;
    if (!work || running.current?.draft === work.draft) return;
    // One after the other: each begins from the version the one before has made.
    await running.current?.end;
    const send = async () => {
      try {
        const { version } = client.getQueryData<StoredPage>(['page', work.uid])!;
        const { data } = await call<StoredPage>('pages:save', {
          values: { version, schema: work.draft },
          params: { filterByTk: work.uid },
        });
        client.setQueryData(['page', work.uid], data);
        setDraft((now) => (now === work.draft ? undefined : now));
      } catch (error) {
        failed(error);
      }
      running.current = undefined;
    };
    running.current = { draft: work.draft, end: send() };
    await running.current?.end;
  }, [client, failed]);

  // Leaving the page or the edit mode keeps what was done.
  useEffect(() => {
    if (!editing) save();
  }, [editing, save]);
  useEffect(() => () => void save(), [save]);
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => {
      if (pending.current) event.preventDefault();
    };
    window.addEventListener('beforeunload', warn);
    return () => window.removeEventListener('beforeunload', warn);
  }, []);
  return { draft, setDraft, save, discard: () => setDraft(undefined) };
}

function StoredPageView({ uid }: { uid: string }) {
  const { t } = useTranslation();
  const session = useSession();
  const { editing } = useEditing();
  const query = useQuery({
    queryKey: ['page', uid],
    queryFn: async ({ signal }) => (await call<StoredPage>('pages:get', { params: { filterByTk: uid }, signal })).data,
    staleTime: 60_000,
  });
  const { draft, setDraft, save, discard } = useDraft(query.data, editing);
  const popups = usePopups();
  if (query.isError) return <Failure error={query.error} retry={query.refetch} />;
  if (!query.data) return <Loading />;
  const page = draft ?? query.data.schema;
  const item = findItem(session.menu, uid);
  const change = (next: Page) => setDraft(next);
  return (
    <main className={editing ? 'page editing' : 'page'}>
      <header className="page-head">
        <h1>{item?.title ?? query.data.title}</h1>
        {editing && draft && (
          <>
            <span className="quiet">{t('Unsaved changes')}</span>
            <Button onClick={discard}>{t('Discard')}</Button>
            <Button type="primary" onClick={save}>
              {t('Save')}
            </Button>
          </>
        )}
        {editing && (
          <Suspense fallback={<Dropdown />}>
            <PageMenu stored={query.data} page={page} change={change} />
          </Suspense>
        )}
      </header>
      <PageFrame page={page} popups={popups} depth={0}>
        <Grid page={page} change={editing ? change : undefined} />
      </PageFrame>
      <Popups page={page} popups={popups} change={editing ? change : undefined} />
    </main>
  );
}

export default function PageView() {
  const { uid } = useParams();
  return <StoredPageView key={uid} uid={uid!} />;
}
