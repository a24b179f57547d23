import { DeleteOutlined, EditOutlined, PlusOutlined } from '@ant-design/icons';
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { Button, Form, Input, Modal, Select, Table, Tag, Tooltip } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, type Row } from '../api/client';
import { useSession } from '../app/session';
import { useFeedback } from '../ui/feedback';
import { Failure, Screen } from '../ui/states';

export const useRoles = () =>
  useQuery({
    queryKey: ['records', 'roles', 'all'],
    queryFn: () => api.all('roles', { sort: ['sort'] }),
    staleTime: 30_000,
  });

function UserForm({ user, close }: { user?: Row; close: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { done, failed } = useFeedback();
  const roles = useRoles();
  const [form] = Form.useForm();
  const [busy, setBusy] = useState(false);
  const save = async () => {
    const values = await form.validateFields().catch(() => undefined);
    if (!values) return;
    if (!values.password) delete values.password;
    setBusy(true);
    try {
      if (user) await api.update('users', user.id, values);
      else await api.create('users', values);
      client.invalidateQueries({ queryKey: ['records'] });
      done(user ? t('Saved') : t('Added'));
      close();
    } catch (error) {
      failed(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal
      open
      title={user ? t('Edit {{name}}', { name: user.nickname || user.username }) : t('Add a user')}
      onCancel={close}
      onOk={save}
      confirmLoading={busy}
      okText={user ? t('Save') : t('Add')}
      cancelText={t('Cancel')}
    >
      <Form
        form={form}
        layout="vertical"
        initialValues={
          user ? { ...user, roles: (user.roles ?? []).map((role: Row) => role.name) } : { roles: ['member'] }
        }
      >
        <Form.Item name="nickname" label={t('Name')}>
          <Input autoFocus />
        </Form.Item>
        <Form.Item
          name="username"
          label={t('Username')}
          rules={[{ required: true, message: t('Please enter a username') }]}
        >
          <Input autoComplete="off" />
        </Form.Item>
        <Form.Item
          name="email"
          label={t('Email')}
          rules={[{ type: 'email', message: t('This is not an email address') }]}
          getValueFromEvent={(event) => event.target.value || null}
        >
          <Input autoComplete="off" />
        </Form.Item>
        <Form.Item
          name="password"
          label={t('Password')}
          rules={user ? [] : [{ required: true, message: t('Please enter a password') }]}
          extra={user ? t('Empty: it stays as it is.') : undefined}
        >
          <Input.Password autoComplete="new-password" />
        </Form.Item>
        <Form.Item name="roles" label={t('Roles')}>
          <Select
            mode="multiple"
            options={(roles.data ?? []).map((role) => ({ value: role.name, label: t(role.title ?? role.name) }))}
          />
        </Form.Item>
      </Form>
    </Modal>
  );
}

export default function Users() {
  const { t } = useTranslation();
  const session = useSession();
  const client = useQueryClient();
  const { ask, failed, done } = useFeedback();
  const [search, setSearch] = useState('');
  const [at, setAt] = useState({ page: 1, pageSize: 20 });
  const [form, setForm] = useState<{ user?: Row }>();
  const params = {
    ...at,
    appends: ['roles'],
    sort: ['id'],
    filter: search
      ? { $or: ['nickname', 'username', 'email'].map((name) => ({ [name]: { $includes: search } })) }
      : undefined,
  };
  const users = useQuery({
    queryKey: ['records', 'users', 'list', params],
    queryFn: ({ signal }) => api.list('users', params, signal),
    placeholderData: keepPreviousData,
  });
  const remove = async (user: Row) => {
    if (!(await ask(t('Delete "{{name}}"?', { name: user.nickname || user.username })))) return;
    try {
      await api.destroy('users', user.id);
      client.invalidateQueries({ queryKey: ['records'] });
      done(t('Deleted'));
    } catch (error) {
      failed(error);
    }
  };
  if (users.isError && !users.data) return <Failure error={users.error} retry={users.refetch} />;
  return (
    <Screen
      title={t('Users')}
      extra={
        <Button type="primary" icon={<PlusOutlined />} onClick={() => setForm({})}>
          {t('Add a user')}
        </Button>
      }
    >
      <div className="sheet">
        <div className="toolbar">
          <Input.Search
            allowClear
            style={{ maxWidth: 260 }}
            placeholder={t('Search')}
            aria-label={t('Search')}
            onSearch={(text) => {
              setSearch(text);
              setAt({ ...at, page: 1 });
            }}
          />
        </div>
        <Table<Row>
          rowKey="id"
          size="middle"
          scroll={{ x: 'max-content' }}
          loading={!users.data}
          dataSource={users.data?.data ?? []}
          pagination={{
            current: at.page,
            pageSize: at.pageSize,
            total: users.data?.meta?.count,
            hideOnSinglePage: true,
            onChange: (page, pageSize) => setAt({ page, pageSize }),
          }}
          columns={[
            { title: t('Name'), dataIndex: 'nickname' },
            { title: t('Username'), dataIndex: 'username' },
            { title: t('Email'), dataIndex: 'email' },
            {
              title: t('Roles'),
              key: 'roles',
              render: (_, user) =>
                (user.roles ?? []).map((role: Row) => <Tag key={role.name}>{t(role.title ?? role.name)}</Tag>),
            },
            {
              title: <span className="sr-only">{t('Actions')}</span>,
              key: 'actions',
              align: 'end',
              render: (_, user) => (
                <span style={{ whiteSpace: 'nowrap' }}>
                  <Tooltip title={t('Edit')}>
                    <Button
                      type="text"
                      size="small"
                      icon={<EditOutlined />}
                      aria-label={t('Edit {{name}}', { name: user.nickname || user.username })}
                      onClick={() => setForm({ user })}
                    />
                  </Tooltip>
                  {user.id !== session.user.id && user.id !== 1 && (
                    <Tooltip title={t('Delete')}>
                      <Button
                        type="text"
                        size="small"
                        danger
                        icon={<DeleteOutlined />}
                        aria-label={t('Delete {{name}}', { name: user.nickname || user.username })}
                        onClick={() => remove(user)}
                      />
                    </Tooltip>
                  )}
                </span>
              ),
            },
          ]}
        />
      </div>
      {form && <UserForm user={form.user} close={() => setForm(undefined)} />}
    </Screen>
  );
}
