// What can be done with a page as a whole: versions, export and import as a file.
import { MoreOutlined } from '@ant-design/icons';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button, Drawer, Dropdown, List } from 'antd';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { call, type Row } from '../api/client';
import type { StoredPage } from '../blocks/PageView';
import { isPage, type Page, withNewUids } from '../blocks/schema';
import { formatDate } from '../fields/Value';
import { useFeedback } from '../ui/feedback';
import { download } from '../ui/files';
import { Failure } from '../ui/states';

function Versions({ stored, close }: { stored: StoredPage; close: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { done, failed } = useFeedback();
  const versions = useQuery({
    queryKey: ['page', stored.uid, 'versions', stored.version],
    queryFn: async () => (await call<Row[]>('pages:versions', { params: { filterByTk: stored.uid } })).data,
  });
  const restore = async (version: number) => {
    try {
      const { data } = await call<StoredPage>('pages:restore', {
        values: { version },
        params: { filterByTk: stored.uid },
      });
      client.setQueryData(['page', stored.uid], data);
      done(t('Version {{version}} is back', { version }));
      close();
    } catch (error) {
      failed(error);
    }
  };
  return (
    <Drawer open title={t('Versions of this page')} onClose={close} size={420}>
      {versions.isError ? (
        <Failure error={versions.error} />
      ) : (
        <List
          loading={!versions.data}
          dataSource={versions.data ?? []}
          renderItem={(one) => (
            <List.Item
              actions={
                one.version === stored.version
                  ? [
                      <span key="now" className="quiet">
                        {t('now')}
                      </span>,
                    ]
                  : [
                      <Button key="back" size="small" onClick={() => restore(one.version)}>
                        {t('Go back to it')}
                      </Button>,
                    ]
              }
            >
              <List.Item.Meta
                title={t('Version {{version}}', { version: one.version })}
                description={`${formatDate('dateTime', one.createdAt)} · ${one.createdBy?.nickname ?? '—'}${one.note ? ` · ${one.note}` : ''}`}
              />
            </List.Item>
          )}
        />
      )}
    </Drawer>
  );
}

export default function PageMenu({
  stored,
  page,
  change,
}: {
  stored: StoredPage;
  page: Page;
  change: (page: Page) => void;
}) {
  const { t } = useTranslation();
  const { failed, done } = useFeedback();
  const [versions, setVersions] = useState(false);
  const file = useRef<HTMLInputElement>(null);
  const importFile = async (chosen: File | undefined) => {
    if (!chosen) return;
    try {
      const read = JSON.parse(await chosen.text());
      const given = read.page ?? read;
      if (!isPage(given)) throw new Error(t('This file holds no page.'));
      change(withNewUids(given));
      done(t('Imported. Save to keep it.'));
    } catch (error) {
      failed(error);
    }
  };
  return (
    <>
      <Dropdown
        trigger={['click']}
        menu={{
          items: [
            { key: 'versions', label: t('Versions…') },
            { key: 'export', label: t('Export as a file') },
            { key: 'import', label: t('Import from a file…') },
          ],
          onClick: ({ key }) => {
            if (key === 'versions') setVersions(true);
            if (key === 'export')
              download(
                `${stored.title || 'page'}.json`,
                JSON.stringify({ title: stored.title, page }, null, 2),
                'application/json',
              );
            if (key === 'import') file.current?.click();
          },
        }}
      >
        <Button icon={<MoreOutlined />} aria-label={t('More about this page')} />
      </Dropdown>
      <input
        ref={file}
        type="file"
        accept="application/json,.json"
        hidden
        aria-label={t('Import from a file…')}
        onChange={(event) => importFile(event.target.files?.[0])}
      />
      {versions && <Versions stored={stored} close={() => setVersions(false)} />}
    </>
  );
}
