// The user's pages in the side menu, and their editing.
import { MoreOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Dropdown, Menu, type MenuProps } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useLocation } from 'react-router-dom';
import { api, call } from '../api/client';
import { type MenuItem, useSession } from '../app/session';
import { useFeedback } from '../ui/feedback';
import { MenuIcon } from '../ui/icons';
import { useEditing } from './editing';

const RouteForm = lazy(() => import('./RouteForm'));
const Templates = lazy(() => import('../templates/Templates'));
export type RouteDraft = Partial<MenuItem> & { type: MenuItem['type'] };

function siblings(menu: MenuItem[], id: number): MenuItem[] {
  if (menu.some((one) => one.id === id)) return menu;
  for (const one of menu) {
    const found = siblings(one.children ?? [], id);
    if (found.length) return found;
  }
  return [];
}

export function pathOf(item: MenuItem): string {
  return item.type === 'page' ? `/page/${item.schemaUid}` : '';
}

function ItemTools({ item, edit }: { item: MenuItem; edit: (draft: RouteDraft) => void }) {
  const { t } = useTranslation();
  const session = useSession();
  const { ask, failed, done } = useFeedback();
  const list = siblings(session.menu, item.id);
  const at = list.findIndex((one) => one.id === item.id);

  const move = async (target: MenuItem | undefined, after: boolean) => {
    if (!target) return;
    const params = { sourceId: item.id, targetId: target.id, ...(after ? { method: 'insertAfter' } : {}) };
    await call('desktopRoutes:move', { values: {}, params }).catch(failed);
    await session.reload('menu');
  };
  const remove = async () => {
    if (!(await ask(t('Delete "{{name}}" from the menu?', { name: item.title }), t('Its records stay.')))) return;
    try {
      await api.destroy('desktopRoutes', item.id);
      await session.reload('menu');
      done(t('Deleted'));
    } catch (error) {
      failed(error);
    }
  };
  const items: MenuProps['items'] = [
    { key: 'edit', label: t('Settings…') },
    ...(item.type === 'group' ? [{ key: 'add', label: t('Add a page here') }] : []),
    { key: 'up', label: t('Move up'), disabled: at <= 0 },
    { key: 'down', label: t('Move down'), disabled: at >= list.length - 1 },
    { key: 'delete', label: t('Delete'), danger: true },
  ];
  return (
    <Dropdown
      trigger={['click']}
      menu={{
        items,
        onClick: ({ key, domEvent }) => {
          domEvent.stopPropagation();
          if (key === 'edit') edit(item);
          if (key === 'add') edit({ type: 'page', parentId: item.id });
          if (key === 'up') move(list[at - 1], false);
          if (key === 'down') move(list[at + 1], true);
          if (key === 'delete') remove();
        },
      }}
    >
      <Button
        type="text"
        size="small"
        icon={<MoreOutlined />}
        aria-label={t('Settings of {{name}}', { name: item.title })}
        onClick={(event) => event.stopPropagation()}
      />
    </Dropdown>
  );
}

export function MenuTree({ go }: { go: (path: string) => void }) {
  const { t } = useTranslation();
  const session = useSession();
  const { editing } = useEditing();
  const { pathname } = useLocation();
  const [draft, setDraft] = useState<RouteDraft>();
  const [templates, setTemplates] = useState(false);
  // Groups are open unless somebody closes them.
  const [closed, setClosed] = useState<string[]>([]);

  const label = (item: MenuItem) =>
    editing ? (
      <span className="menu-label">
        <span className="label">{item.title}</span>
        <ItemTools item={item} edit={setDraft} />
      </span>
    ) : (
      item.title
    );
  const build = (items: MenuItem[]): NonNullable<MenuProps['items']> =>
    items
      .filter((item) => editing || !item.hideInMenu)
      .map((item) => ({
        key: `${item.id}`,
        icon: (
          <MenuIcon
            name={item.icon}
            fallback={item.type === 'group' ? 'folder' : item.type === 'link' ? 'link' : 'file'}
          />
        ),
        label: label(item),
        ...(item.type === 'group' ? { children: build(item.children ?? []) } : {}),
      }));
  const flat: MenuItem[] = [];
  const walk = (items: MenuItem[]) => {
    for (const one of items) {
      flat.push(one);
      walk(one.children ?? []);
    }
  };
  walk(session.menu);
  const current = flat.find((one) => one.type === 'page' && pathname.startsWith(pathOf(one)));
  const groups = flat.filter((one) => one.type === 'group').map((one) => `${one.id}`);
  const open = (key: string) => {
    const item = flat.find((one) => `${one.id}` === key);
    if (item?.type === 'link') {
      const url = String(item.options?.href ?? '');
      if (url.startsWith('/')) go(url);
      else if (/^https?:/.test(url)) window.open(url, '_blank', 'noopener');
    } else if (item) go(pathOf(item));
  };
  return (
    <nav aria-label={t('Pages')}>
      <Menu
        mode="inline"
        selectedKeys={current ? [`${current.id}`] : []}
        openKeys={groups.filter((key) => !closed.includes(key))}
        onOpenChange={(open) => setClosed(groups.filter((key) => !open.includes(key)))}
        items={build(session.menu)}
        onClick={({ key }) => open(key)}
      />
      {editing && (
        <Dropdown
          trigger={['click']}
          menu={{
            items: [
              { key: 'page', label: t('Page') },
              { key: 'group', label: t('Group') },
              { key: 'link', label: t('Link') },
              { key: 'template', label: t('Application from a template…') },
            ],
            onClick: ({ key }) =>
              key === 'template' ? setTemplates(true) : setDraft({ type: key as MenuItem['type'] }),
          }}
        >
          <Button
            type="dashed"
            block
            icon={<PlusOutlined />}
            style={{ margin: '8px 12px', width: 'calc(100% - 24px)' }}
          >
            {t('Add to the menu')}
          </Button>
        </Dropdown>
      )}
      {templates && (
        <Suspense>
          <Templates close={() => setTemplates(false)} />
        </Suspense>
      )}
      {draft && (
        <Suspense>
          <RouteForm
            draft={draft}
            close={() => setDraft(undefined)}
            made={(item) => item.type === 'page' && go(pathOf(item))}
          />
        </Suspense>
      )}
    </nav>
  );
}
