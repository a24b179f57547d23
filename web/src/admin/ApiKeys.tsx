import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Alert, Button, Form, Input, Modal, Select, Table, Tooltip } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, type Row } from '../api/client';
import { useSession } from '../app/session';
import { formatDate } from '../fields/Value';
import { isBusiness } from '../model/collections';
import { useFeedback } from '../ui/feedback';
import { Failure, Nothing, Screen } from '../ui/states';

function Shown({ token, close }: { token: string; close: () => void }) {
  const { t } = useTranslation();
  const session = useSession();
  const { done } = useFeedback();
  const name = session.collections.find(isBusiness)?.name ?? 'users';
  const lines = [
    `TOKEN='${token}'`,
    `curl -H "Authorization: Bearer $TOKEN" '${location.origin}/api/${name}:list?pageSize=5'`,
    `curl -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{}' '${location.origin}/api/${name}:create'`,
  ].join('\n');
  const copy = async (text: string) => {
    await navigator.clipboard?.writeText(text);
    done(t('Copied'));
  };
  return (
    <Modal
      open
      title={t('The new API key')}
      width={760}
      onCancel={close}
      footer={
        <Button type="primary" onClick={close}>
          {t('I have kept it')}
        </Button>
      }
    >
      <div className="stack">
        <Alert type="warning" showIcon title={t('This key is shown only now. Keep it like a password.')} />
        <pre className="code" data-testid="token">
          {token}
        </pre>
        <Button onClick={() => copy(token)}>{t('Copy the key')}</Button>
        <b>{t('Try it')}</b>
        <pre className="code">{lines}</pre>
        <Button onClick={() => copy(lines)}>{t('Copy the lines')}</Button>
      </div>
    </Modal>
  );
}

export default function ApiKeys() {
  const { t } = useTranslation();
  const session = useSession();
  const client = useQueryClient();
  const { ask, done, failed } = useFeedback();
  const [adding, setAdding] = useState(false);
  const [token, setToken] = useState('');
  const [form] = Form.useForm();
  const keys = useQuery({
    queryKey: ['records', 'apiKeys', 'list'],
    queryFn: () => api.list('apiKeys', { appends: ['role'], pageSize: 200, sort: ['-createdAt'] }),
  });
  const add = async () => {
    const values = await form.validateFields().catch(() => undefined);
    if (!values) return;
    try {
      const made = await api.create('apiKeys', {
        name: values.name,
        role: { name: values.role },
        expiresIn: values.expiresIn,
      });
      client.invalidateQueries({ queryKey: ['records', 'apiKeys'] });
      setAdding(false);
      setToken(made.token);
    } catch (error) {
      failed(error);
    }
  };
  const remove = async (key: Row) => {
    if (
      !(await ask(t('Delete the key "{{name}}"?', { name: key.name }), t('Programs that use it stop working at once.')))
    )
      return;
    try {
      await api.destroy('apiKeys', key.id);
      client.invalidateQueries({ queryKey: ['records', 'apiKeys'] });
      done(t('Deleted'));
    } catch (error) {
      failed(error);
    }
  };
  const periods: Record<string, string> = {
    '1d': t('1 day'),
    '7d': t('7 days'),
    '30d': t('30 days'),
    '90d': t('90 days'),
    never: t('never'),
  };
  if (keys.isError && !keys.data) return <Failure error={keys.error} retry={keys.refetch} />;
  return (
    <Screen
      title={t('API keys')}
      lead={t('For programs that use the API in your name, with the rights of one of your roles.')}
      extra={
        <Button type="primary" icon={<PlusOutlined />} onClick={() => setAdding(true)}>
          {t('New key')}
        </Button>
      }
    >
      <div className="sheet">
        <Table<Row>
          rowKey="id"
          size="middle"
          scroll={{ x: 'max-content' }}
          pagination={false}
          loading={!keys.data}
          dataSource={keys.data?.data ?? []}
          locale={{ emptyText: <Nothing text={t('You have no API keys.')} /> }}
          columns={[
            { title: t('Name'), dataIndex: 'name' },
            { title: t('Role'), key: 'role', render: (_, key) => t(key.role?.title ?? key.roleName ?? '') },
            { title: t('Valid for'), key: 'expiresIn', render: (_, key) => periods[key.expiresIn] ?? key.expiresIn },
            { title: t('Created at'), key: 'createdAt', render: (_, key) => formatDate('dateTime', key.createdAt) },
            {
              title: <span className="sr-only">{t('Actions')}</span>,
              key: 'actions',
              align: 'end',
              render: (_, key) => (
                <Tooltip title={t('Delete')}>
                  <Button
                    type="text"
                    size="small"
                    danger
                    icon={<DeleteOutlined />}
                    aria-label={t('Delete {{name}}', { name: key.name })}
                    onClick={() => remove(key)}
                  />
                </Tooltip>
              ),
            },
          ]}
        />
      </div>
      {adding && (
        <Modal
          open
          title={t('New key')}
          onCancel={() => setAdding(false)}
          onOk={add}
          okText={t('Create')}
          cancelText={t('Cancel')}
        >
          <Form form={form} layout="vertical" initialValues={{ expiresIn: '30d', role: session.roles[0]?.name }}>
            <Form.Item name="name" label={t('Name')} rules={[{ required: true, message: t('Please enter a name') }]}>
              <Input autoFocus placeholder={t('What uses it')} onPressEnter={add} />
            </Form.Item>
            <Form.Item name="role" label={t('Role')} rules={[{ required: true, message: t('Please choose a role') }]}>
              <Select
                options={session.roles.map((role) => ({ value: role.name, label: t(role.title ?? role.name) }))}
              />
            </Form.Item>
            <Form.Item name="expiresIn" label={t('Valid for')}>
              <Select
                options={Object.entries(periods).map(([value, label]) => ({
                  value,
                  label: value === 'never' ? t('for ever') : label,
                }))}
              />
            </Form.Item>
          </Form>
        </Modal>
      )}
      {token && <Shown token={token} close={() => setToken('')} />}
    </Screen>
  );
}
