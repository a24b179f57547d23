import {
  ApiOutlined,
  ClusterOutlined,
  DatabaseOutlined,
  EditOutlined,
  GlobalOutlined,
  LogoutOutlined,
  MenuOutlined,
  MoonOutlined,
  SafetyOutlined,
  SettingOutlined,
  SunOutlined,
  SwapOutlined,
  TeamOutlined,
  UserOutlined,
} from '@ant-design/icons';
import { useQueryClient } from '@tanstack/react-query';
import { Button, Drawer, Dropdown, Layout, Menu, type MenuProps, Tooltip } from 'antd';
import { type ReactNode, useEffect, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useLocation, useNavigate } from 'react-router-dom';
import { call, storage } from '../api/client';
import { useLive } from '../api/live';
import { useSession } from '../app/session';
import { setThemeMode, useDark } from '../app/theme';
import { type Language, languages, setLanguage } from '../i18n';
import { useNarrow } from '../ui/useNarrow';
import { EditingContext } from './editing';
import { MenuTree } from './MenuTree';
import { useSystemSettings } from './SignIn';

function AdminMenu({ go }: { go: (path: string) => void }) {
  const { t } = useTranslation();
  const session = useSession();
  const { pathname } = useLocation();
  const items: MenuProps['items'] = [
    session.holds('pm.data-source-manager.data-source-main') && {
      key: '/data',
      icon: <DatabaseOutlined />,
      label: t('Data model'),
    },
    session.holds('pm.users') && { key: '/admin/users', icon: <TeamOutlined />, label: t('Users') },
    session.holds('pm.acl.roles') && {
      key: '/admin/roles',
      icon: <SafetyOutlined />,
      label: t('Roles and permissions'),
    },
    session.holds('pm.api-keys.configuration') && {
      key: '/admin/api-keys',
      icon: <ApiOutlined />,
      label: t('API keys'),
    },
    session.holds('pm.cluster') && { key: '/admin/cluster', icon: <ClusterOutlined />, label: t('Cluster') },
    session.holds('pm.system-settings.system-settings') && {
      key: '/admin/settings',
      icon: <SettingOutlined />,
      label: t('System settings'),
    },
  ].filter((one) => one !== false);
  if (!items.length) return null;
  return (
    <nav className="sider-foot" aria-label={t('Administration')}>
      <Menu
        mode="inline"
        selectedKeys={[
          `/${pathname
            .split('/')
            .slice(1, pathname.startsWith('/admin') ? 3 : 2)
            .join('/')}`,
        ]}
        items={[{ type: 'group', label: t('Administration'), children: items }]}
        onClick={({ key }) => go(key)}
      />
    </nav>
  );
}

function UserMenu() {
  const { t, i18n } = useTranslation();
  const session = useSession();
  const client = useQueryClient();
  const navigate = useNavigate();
  const dark = useDark();
  const { user, roles } = session;

  const signOut = async () => {
    await call('auth:signOut', { values: {} }).catch(() => {});
    storage.set('token', '');
    storage.set('role', '');
    client.removeQueries();
    location.assign('/signin');
  };
  const switchRole = async (role: string) => {
    storage.set('role', role);
    client.removeQueries({ queryKey: ['records'] });
    await client.resetQueries({ queryKey: ['session'] });
    navigate('/');
  };
  const chooseLanguage = async (language: Language) => {
    await setLanguage(language);
    // Kept with the account as well, so that the next device speaks it.
    await call('users:updateLang', { values: { appLang: language } }).catch(() => {});
  };
  const union = session.roleMode !== 'default';
  const roleItems = [
    ...(union ? [{ key: 'role:__union__', label: t('All my roles together') }] : []),
    ...roles.map((role) => ({ key: `role:${role.name}`, label: t(role.title ?? role.name) })),
  ];

  const items: MenuProps['items'] = [
    { key: 'profile', icon: <UserOutlined />, label: t('My profile') },
    ...(roleItems.length > 1
      ? [{ key: 'role', icon: <SwapOutlined />, label: t('Switch role'), children: roleItems }]
      : []),
    {
      key: 'language',
      icon: <GlobalOutlined />,
      label: t('Language'),
      children: languages.map((one) => ({ key: `lang:${one.value}`, label: one.label })),
    },
    { key: 'theme', icon: dark ? <SunOutlined /> : <MoonOutlined />, label: dark ? t('Light theme') : t('Dark theme') },
    { type: 'divider' },
    { key: 'out', icon: <LogoutOutlined />, label: t('Sign out') },
  ];
  return (
    <Dropdown
      trigger={['click']}
      menu={{
        items,
        selectedKeys: [`role:${session.role}`, `lang:${i18n.language}`],
        onClick: ({ key }) => {
          if (key === 'profile') navigate('/profile');
          else if (key === 'theme') setThemeMode(dark ? 'light' : 'dark');
          else if (key === 'out') signOut();
          else if (key.startsWith('lang:')) chooseLanguage(key.slice(5) as Language);
          else if (key.startsWith('role:')) switchRole(key.slice(5));
        },
      }}
    >
      <Button type="text" icon={<UserOutlined />} aria-label={t('My account')}>
        <span className="wide-only">{user.nickname || user.username}</span>
      </Button>
    </Dropdown>
  );
}

export function Shell({ children }: { children: ReactNode }) {
  const { t } = useTranslation();
  const session = useSession();
  const navigate = useNavigate();
  const location = useLocation();
  const narrow = useNarrow();
  const [open, setOpen] = useState(false);
  const [editing, setEditing] = useState(false);
  const settings = useSystemSettings();
  const title = settings.data?.title || 'Halcyon';
  useLive(session.user.id, session.role);
  useEffect(() => {
    document.title = title;
  }, [title]);
  const editable = session.configure && (location.pathname === '/' || location.pathname.startsWith('/page'));
  const value = useMemo(() => ({ editing: editing && session.configure, setEditing }), [editing, session.configure]);

  const go = (path: string) => {
    setOpen(false);
    navigate(path);
  };
  const menu = (
    <div className="sider-menu">
      <MenuTree go={go} />
      <AdminMenu go={go} />
    </div>
  );
  return (
    <EditingContext.Provider value={value}>
      <Layout className="shell">
        <Layout.Header className="shell-head">
          {narrow && (
            <Button type="text" icon={<MenuOutlined />} onClick={() => setOpen(true)} aria-label={t('Menu')} />
          )}
          <a
            className="brand"
            href="/"
            onClick={(event) => {
              event.preventDefault();
              go('/');
            }}
          >
            <img src="/favicon.svg" alt="" />
            {title}
          </a>
          <span className="grow" />
          {editable && (
            <Tooltip title={editing ? t('Stop editing pages') : t('Edit pages')}>
              <Button
                type={editing ? 'primary' : 'text'}
                icon={<EditOutlined />}
                aria-pressed={editing}
                aria-label={t('Edit pages')}
                onClick={() => setEditing(!editing)}
              />
            </Tooltip>
          )}
          <UserMenu />
        </Layout.Header>
        <Layout hasSider={!narrow}>
          {narrow ? (
            <Drawer
              placement="left"
              open={open}
              onClose={() => setOpen(false)}
              title={title}
              size={280}
              styles={{ body: { padding: 0 } }}
            >
              {menu}
            </Drawer>
          ) : (
            <Layout.Sider width={232} className="shell-sider">
              {menu}
            </Layout.Sider>
          )}
          <Layout.Content className="shell-body">{children}</Layout.Content>
        </Layout>
      </Layout>
    </EditingContext.Provider>
  );
}
