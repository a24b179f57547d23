// Roles, and what each may do: in general, on single collections (actions, fields, rows), on pages, in administration.
import { PlusOutlined } from '@ant-design/icons';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button, Checkbox, Drawer, Form, Input, Menu, Modal, Radio, Select, Switch, Table, Tabs, Tree } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate, useParams } from 'react-router-dom';
import { api, call, type Row } from '../api/client';
import { type MenuItem, useSession } from '../app/session';
import { FilterBuilder } from '../fields/FilterBuilder';
import { type Collection, collectionTitle, fieldTitle, isBusiness, isVisible } from '../model/collections';
import { useFeedback } from '../ui/feedback';
import { Failure, Loading, Nothing, Screen } from '../ui/states';
import { type ActionName, actions, fromResource, fromStrategy, type Rights, toActions, toStrategy } from './rights';
import { useRoles } from './Users';

const titles: Record<ActionName, string> = { view: 'View', create: 'Add', update: 'Edit', destroy: 'Delete' };

function useChange() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const session = useSession();
  const { done, failed } = useFeedback();
  return async (work: () => Promise<unknown>) => {
    try {
      await work();
      await client.invalidateQueries({ queryKey: ['records'] });
      session.reload('user', 'menu');
      done(t('Saved'));
      return true;
    } catch (error) {
      failed(error);
      return false;
    }
  };
}

function General({ role }: { role: Row }) {
  const { t } = useTranslation();
  const change = useChange();
  const rights = fromStrategy(role.strategy);
  return (
    <>
      <p className="quiet">{t('These hold for every collection that has no rights of its own (next tab).')}</p>
      <Table
        rowKey="action"
        pagination={false}
        size="middle"
        dataSource={actions.map((action) => ({ action }))}
        columns={[
          { title: t('Action'), key: 'action', render: (_, { action }) => t(titles[action]) },
          {
            title: t('Allowed for'),
            key: 'allowed',
            render: (_, { action }) => (
              <Radio.Group
                aria-label={t(titles[action])}
                value={rights[action]}
                onChange={(event) =>
                  change(() =>
                    api.update('roles', role.name, {
                      strategy: toStrategy(role.strategy, { ...rights, [action]: event.target.value }),
                    }),
                  )
                }
                options={[
                  { value: 'none', label: t('nothing') },
                  ...(action === 'create' ? [] : [{ value: 'own', label: t('own records') }]),
                  { value: 'all', label: t('all records') },
                ]}
              />
            ),
          },
        ]}
      />
    </>
  );
}

function ScopeChoice({
  collection,
  value,
  onChange,
}: {
  collection: Collection;
  value?: number | null;
  onChange: (id: number | null) => void;
}) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { failed } = useFeedback();
  const [making, setMaking] = useState<{ name: string; scope?: Row }>();
  const scopes = useQuery({
    queryKey: ['records', 'dataSourcesRolesResourcesScopes', 'all'],
    queryFn: () => api.all('dataSourcesRolesResourcesScopes'),
  });
  const mine = (scopes.data ?? []).filter((scope) => scope.key === 'own' || scope.resourceName === collection.name);
  const name = (scope: Row) => (scope.key === 'own' ? t('Own records') : scope.name);
  const make = async () => {
    if (!making?.name || !making.scope) return;
    try {
      const made = await api.create('dataSourcesRolesResourcesScopes', {
        name: making.name,
        scope: making.scope,
        resourceName: collection.name,
      });
      await client.invalidateQueries({ queryKey: ['records', 'dataSourcesRolesResourcesScopes'] });
      onChange(made.id);
      setMaking(undefined);
    } catch (error) {
      failed(error);
    }
  };
  return (
    <>
      <Select
        style={{ width: 180 }}
        aria-label={t('Which records')}
        value={value ?? 0}
        options={[
          { value: 0, label: t('All records') },
          ...mine.map((scope) => ({ value: scope.id, label: name(scope) })),
          { value: -1, label: t('New selection…') },
        ]}
        onChange={(id) => (id === -1 ? setMaking({ name: '' }) : onChange(id || null))}
      />
      {making && (
        <Modal
          open
          width={680}
          title={t('Which records of {{name}}?', { name: collectionTitle(collection) })}
          onCancel={() => setMaking(undefined)}
          onOk={make}
          okText={t('Create')}
          cancelText={t('Cancel')}
          okButtonProps={{ disabled: !making.name || !making.scope }}
        >
          <Form layout="vertical" component="div">
            <Form.Item label={t('Name of this selection')}>
              <Input
                aria-label={t('Name of this selection')}
                value={making.name}
                onChange={(event) => setMaking({ ...making, name: event.target.value })}
              />
            </Form.Item>
            <FilterBuilder
              collection={collection}
              onChange={(scope) => setMaking((now) => (now ? { ...now, scope } : now))}
            />
          </Form>
        </Modal>
      )}
    </>
  );
}

function CollectionRights({
  role,
  collection,
  resource,
  close,
}: {
  role: Row;
  collection: Collection;
  resource?: Row;
  close: () => void;
}) {
  const { t } = useTranslation();
  const change = useChange();
  const [own, setOwn] = useState(!!resource?.usingActionsConfig);
  const [rights, setRights] = useState<Rights>(() => fromResource(resource));
  const fields = collection.fields.filter((field) => isVisible(field));
  const set = (name: ActionName, more: Partial<Rights[ActionName]>) =>
    setRights((now) => ({ ...now, [name]: { ...now[name], ...more } }));
  const save = async () => {
    const values = {
      name: collection.name,
      dataSourceKey: 'main',
      usingActionsConfig: own,
      actions: toActions(rights),
    };
    const path = `roles/${role.name}/dataSourceResources`;
    const saved = await change(() => (resource ? api.update(path, resource.id, values) : api.create(path, values)));
    if (saved) close();
  };
  return (
    <Drawer
      open
      size={760}
      title={t('{{role}}: rights on {{name}}', { role: t(role.title ?? role.name), name: collectionTitle(collection) })}
      onClose={close}
      footer={
        <div className="row" style={{ justifyContent: 'flex-end' }}>
          <Button onClick={close}>{t('Cancel')}</Button>
          <Button type="primary" onClick={save}>
            {t('Save')}
          </Button>
        </div>
      }
    >
      <Radio.Group
        value={own}
        onChange={(event) => setOwn(event.target.value)}
        options={[
          { value: false, label: t('The general rights') },
          { value: true, label: t('Rights of its own') },
        ]}
      />
      {own && (
        <div className="stack" style={{ marginTop: 16 }}>
          {actions.map((name) => {
            const right = rights[name];
            return (
              <section className="sheet" key={name}>
                <div className="row wrap">
                  <Switch
                    checked={right.allowed}
                    aria-label={t(titles[name])}
                    onChange={(allowed) => set(name, { allowed })}
                  />
                  <b className="grow">{t(titles[name])}</b>
                  {right.allowed && (
                    <ScopeChoice
                      collection={collection}
                      value={right.scopeId}
                      onChange={(scopeId) => set(name, { scopeId })}
                    />
                  )}
                </div>
                {right.allowed && name !== 'destroy' && (
                  <div style={{ marginTop: 10 }}>
                    <Checkbox
                      checked={!right.fields}
                      onChange={(event) =>
                        set(name, { fields: event.target.checked ? undefined : fields.map((field) => field.name) })
                      }
                    >
                      {t('All fields')}
                    </Checkbox>
                    {right.fields && (
                      <Checkbox.Group
                        style={{ display: 'flex', flexWrap: 'wrap', gap: '4px 14px', marginTop: 6 }}
                        value={right.fields}
                        options={fields.map((field) => ({ value: field.name, label: fieldTitle(field) }))}
                        onChange={(next) => set(name, { fields: next as string[] })}
                      />
                    )}
                  </div>
                )}
              </section>
            );
          })}
        </div>
      )}
    </Drawer>
  );
}

function Collections({ role }: { role: Row }) {
  const { t } = useTranslation();
  const session = useSession();
  const [open, setOpen] = useState<Collection>();
  const path = `roles/${role.name}/dataSourceResources`;
  const resources = useQuery({
    queryKey: ['records', 'dataSourcesRolesResources', path],
    queryFn: () => api.all(path, { appends: ['actions'] }),
  });
  if (resources.isError) return <Failure error={resources.error} retry={resources.refetch} />;
  if (!resources.data) return <Loading />;
  const of = (collection: Collection) => resources.data.find((one) => one.name === collection.name);
  const general = fromStrategy(role.strategy);
  const text = (collection: Collection) => {
    const resource = of(collection);
    const own = resource?.usingActionsConfig;
    const list = own ? fromResource(resource) : undefined;
    const names = actions
      .filter((name) => (list ? list[name].allowed : general[name] !== 'none'))
      .map((name) => t(titles[name]));
    return names.join(', ') || t('nothing');
  };
  return (
    <>
      <Table<Collection>
        rowKey="name"
        size="middle"
        scroll={{ x: 'max-content' }}
        pagination={false}
        dataSource={session.collections.filter(isBusiness)}
        locale={{ emptyText: <Nothing text={t('There are no collections yet.')} /> }}
        columns={[
          {
            title: t('Collection'),
            key: 'title',
            render: (_, one) => (
              <button type="button" className="link" onClick={() => setOpen(one)}>
                {collectionTitle(one)}
              </button>
            ),
          },
          {
            title: t('Rights'),
            key: 'kind',
            render: (_, one) =>
              of(one)?.usingActionsConfig ? t('of its own') : <span className="quiet">{t('general')}</span>,
          },
          { title: t('May'), key: 'may', render: (_, one) => text(one) },
        ]}
      />
      {open && <CollectionRights role={role} collection={open} resource={of(open)} close={() => setOpen(undefined)} />}
    </>
  );
}

function Pages({ role }: { role: Row }) {
  const { t } = useTranslation();
  const session = useSession();
  const change = useChange();
  const path = `roles/${role.name}/desktopRoutes`;
  const linked = useQuery({
    queryKey: ['records', 'desktopRoutes', path],
    queryFn: () => api.all(path, { fields: ['id'] }),
  });
  if (linked.isError) return <Failure error={linked.error} retry={linked.refetch} />;
  if (!linked.data) return <Loading />;
  const nodes = (items: MenuItem[]): any[] =>
    items.map((item) => ({
      key: item.id,
      title: item.title,
      checkable: item.type !== 'group',
      children: nodes(item.children ?? []),
    }));
  if (!session.menu.length) return <Nothing text={t('There are no pages yet.')} />;
  return (
    <>
      <Tree
        checkable
        checkStrictly
        defaultExpandAll
        selectable={false}
        treeData={nodes(session.menu)}
        checkedKeys={linked.data.map((one) => one.id)}
        onCheck={(checked) => {
          const keys = Array.isArray(checked) ? checked : checked.checked;
          change(() => call(`${path}:set`, { values: keys }));
        }}
      />
      <Form.Item style={{ marginTop: 16 }}>
        <Checkbox
          checked={!!role.allowNewMenu}
          onChange={(event) => change(() => api.update('roles', role.name, { allowNewMenu: event.target.checked }))}
        >
          {t('Sees new pages from the start')}
        </Checkbox>
      </Form.Item>
    </>
  );
}

const areas: { name: string; title: string; snippets: string[] }[] = [
  { name: 'pages', title: 'Edit pages and the menu', snippets: ['ui.*'] },
  { name: 'data', title: 'Data model', snippets: ['pm.data-source-manager', 'pm.data-source-manager.*'] },
  { name: 'users', title: 'Users', snippets: ['pm.users'] },
  { name: 'roles', title: 'Roles and permissions', snippets: ['pm.acl.roles'] },
  { name: 'keys', title: 'API keys', snippets: ['pm.api-keys.configuration'] },
  { name: 'docs', title: 'API document', snippets: ['pm.api-doc.documentation'] },
  { name: 'cluster', title: 'Cluster', snippets: ['pm.cluster'] },
  { name: 'settings', title: 'System settings', snippets: ['pm.system-settings.system-settings'] },
];

function Administration({ role }: { role: Row }) {
  const { t } = useTranslation();
  const change = useChange();
  const snippets: string[] = role.snippets ?? [];
  const everything = snippets.includes('pm.*') && snippets.includes('ui.*');
  const has = (area: (typeof areas)[number]) =>
    everything ||
    area.snippets.every((one) => snippets.includes(one)) ||
    (area.name !== 'pages' && snippets.includes('pm.*') && !area.snippets.some((one) => snippets.includes(`!${one}`)));
  const set = (wanted: string[]) => {
    const next = areas.filter((area) => wanted.includes(area.name)).flatMap((area) => area.snippets);
    const all = wanted.length === areas.length;
    return change(() =>
      api.update('roles', role.name, {
        snippets: all ? ['ui.*', 'pm', 'pm.*'] : next,
        allowConfigure: wanted.includes('pages'),
      }),
    );
  };
  return (
    <Checkbox.Group
      style={{ display: 'flex', flexDirection: 'column', gap: 8 }}
      value={areas.filter(has).map((area) => area.name)}
      options={areas.map((area) => ({ value: area.name, label: t(area.title) }))}
      onChange={(next) => set(next as string[])}
    />
  );
}

function Members({ role }: { role: Row }) {
  const { t } = useTranslation();
  const change = useChange();
  const [search, setSearch] = useState('');
  const path = `roles/${role.name}/users`;
  const members = useQuery({ queryKey: ['records', 'users', path], queryFn: () => api.list(path, { pageSize: 200 }) });
  const params = {
    pageSize: 20,
    filter: search
      ? { $or: ['nickname', 'username', 'email'].map((name) => ({ [name]: { $includes: search } })) }
      : undefined,
  };
  const found = useQuery({
    queryKey: ['records', 'users', 'choice', params],
    queryFn: () => api.list('users', params),
  });
  if (members.isError) return <Failure error={members.error} retry={members.refetch} />;
  const known = new Set(members.data?.data.map((user) => user.id));
  const name = (user: Row) => user.nickname || user.username || user.email;
  return (
    <>
      <div className="toolbar">
        <Select
          style={{ width: 260 }}
          placeholder={t('Add a user…')}
          aria-label={t('Add a user…')}
          value={null}
          showSearch={{ filterOption: false, onSearch: setSearch }}
          options={(found.data?.data ?? [])
            .filter((user) => !known.has(user.id))
            .map((user) => ({ value: user.id, label: name(user) }))}
          onChange={(id) => change(() => call(`${path}:add`, { values: [id] }))}
        />
      </div>
      <Table<Row>
        rowKey="id"
        size="middle"
        pagination={false}
        loading={!members.data}
        dataSource={members.data?.data ?? []}
        columns={[
          { title: t('Name'), key: 'name', render: (_, user) => name(user) },
          { title: t('Username'), dataIndex: 'username' },
          {
            title: <span className="sr-only">{t('Actions')}</span>,
            key: 'actions',
            align: 'end',
            render: (_, user) => (
              <Button size="small" onClick={() => change(() => call(`${path}:remove`, { values: [user.id] }))}>
                {t('Remove')}
              </Button>
            ),
          },
        ]}
      />
    </>
  );
}

export default function Roles() {
  const { t } = useTranslation();
  const { role: name } = useParams();
  const navigate = useNavigate();
  const change = useChange();
  const { ask } = useFeedback();
  const roles = useRoles();
  const [adding, setAdding] = useState(false);
  const [form] = Form.useForm();
  if (roles.isError && !roles.data) return <Failure error={roles.error} retry={roles.refetch} />;
  if (!roles.data) return <Loading />;
  const list = roles.data.filter((one) => one.name !== 'root');
  const role = list.find((one) => one.name === name) ?? list[0];
  const add = async () => {
    const values = await form.validateFields().catch(() => undefined);
    if (!values) return;
    const fresh = `r_${Math.random().toString(36).slice(2, 10)}`;
    if (
      await change(() =>
        api.create('roles', { ...values, name: fresh, strategy: { actions: [] }, snippets: ['!ui.*', '!pm', '!pm.*'] }),
      )
    ) {
      setAdding(false);
      navigate(`/admin/roles/${fresh}`);
    }
  };
  const remove = async () => {
    if (await ask(t('Delete the role "{{name}}"?', { name: t(role.title ?? role.name) }))) {
      if (await change(() => api.destroy('roles', role.name))) navigate('/admin/roles');
    }
  };
  return (
    <Screen
      title={t('Roles and permissions')}
      extra={
        <Button type="primary" icon={<PlusOutlined />} onClick={() => setAdding(true)}>
          {t('New role')}
        </Button>
      }
    >
      <div className="split">
        <nav className="sheet" aria-label={t('Roles')} style={{ padding: 6 }}>
          <Menu
            mode="inline"
            selectedKeys={[role?.name]}
            items={list.map((one) => ({ key: one.name, label: t(one.title ?? one.name) }))}
            onClick={({ key }) => navigate(`/admin/roles/${key}`)}
          />
        </nav>
        {role && (
          <section className="sheet grow" key={role.name}>
            <div className="row wrap">
              <h2 style={{ margin: 0, fontSize: 17 }} className="grow">
                {t(role.title ?? role.name)}{' '}
                <span className="quiet" style={{ fontWeight: 400, fontSize: 13 }}>
                  {role.name}
                </span>
              </h2>
              <Checkbox
                checked={!!role.default}
                disabled={!!role.default}
                onChange={() => change(() => api.update('roles', role.name, { default: true }))}
              >
                {t('Role of new users')}
              </Checkbox>
              {!['admin', 'member'].includes(role.name) && (
                <Button danger onClick={remove}>
                  {t('Delete')}
                </Button>
              )}
            </div>
            <Tabs
              items={[
                { key: 'general', label: t('General rights'), children: <General role={role} /> },
                { key: 'collections', label: t('Collections'), children: <Collections role={role} /> },
                { key: 'pages', label: t('Pages'), children: <Pages role={role} /> },
                { key: 'administration', label: t('Administration'), children: <Administration role={role} /> },
                { key: 'users', label: t('Users'), children: <Members role={role} /> },
              ]}
            />
          </section>
        )}
      </div>
      {adding && (
        <Modal
          open
          title={t('New role')}
          onCancel={() => setAdding(false)}
          onOk={add}
          okText={t('Create')}
          cancelText={t('Cancel')}
        >
          <Form form={form} layout="vertical">
            <Form.Item name="title" label={t('Title')} rules={[{ required: true, message: t('Please enter a title') }]}>
              <Input autoFocus onPressEnter={add} />
            </Form.Item>
          </Form>
        </Modal>
      )}
    </Screen>
  );
}
