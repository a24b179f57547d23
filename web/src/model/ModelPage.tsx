// The data model: all collections, and making new ones.
import { ApartmentOutlined, PlusOutlined, TableOutlined } from '@ant-design/icons';
import { Button, Checkbox, Form, Input, Modal, Segmented, Select, Table } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useNavigate } from 'react-router-dom';
import { api } from '../api/client';
import { useSession } from '../app/session';
import { useFeedback } from '../ui/feedback';
import { Loading, Nothing, Screen } from '../ui/states';
import { type Collection, collectionTitle, fieldTitle, isBusiness, isVisible, kindOf } from './collections';
import { collectionDefinition, nameFrom } from './interfaces';

const Diagram = lazy(() => import('./Diagram'));

function NewCollection({ close }: { close: () => void }) {
  const { t } = useTranslation();
  const session = useSession();
  const navigate = useNavigate();
  const { failed } = useFeedback();
  const [form] = Form.useForm();
  const [busy, setBusy] = useState(false);
  const [named, setNamed] = useState(false);
  const save = async () => {
    const values = await form.validateFields();
    setBusy(true);
    try {
      await api.create('collections', collectionDefinition(values));
      await session.reload('model');
      navigate(`/data/${values.name}`);
    } catch (error) {
      failed(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal
      open
      title={t('New collection')}
      onCancel={close}
      onOk={save}
      okText={t('Create')}
      cancelText={t('Cancel')}
      confirmLoading={busy}
    >
      <Form form={form} layout="vertical" initialValues={{ template: 'general' }}>
        <Form.Item
          name="title"
          label={t('Title')}
          extra={t('What people call these records, for example "Customers"')}
          rules={[{ required: true, message: t('Please enter a title') }]}
        >
          <Input
            autoFocus
            onPressEnter={save}
            onChange={(event) => {
              if (!named) form.setFieldValue('name', nameFrom(event.target.value, 't'));
            }}
          />
        </Form.Item>
        <Form.Item
          name="name"
          label={t('Name in the API')}
          rules={[
            { required: true, message: t('Please enter a name') },
            { pattern: /^[A-Za-z_][\w-]*$/, message: t('Letters, digits and _ only, beginning with a letter') },
          ]}
        >
          <Input onChange={() => setNamed(true)} />
        </Form.Item>
        <Form.Item name="template" label={t('Kind')}>
          <Select
            options={[
              { value: 'general', label: t('General') },
              { value: 'tree', label: t('Tree: each record may have a parent') },
              { value: 'calendar', label: t('Calendar: with begin and end') },
            ]}
          />
        </Form.Item>
      </Form>
    </Modal>
  );
}

export default function ModelPage() {
  const { t } = useTranslation();
  const session = useSession();
  const [adding, setAdding] = useState(false);
  const [view, setView] = useState<'list' | 'diagram'>('list');
  const [system, setSystem] = useState(false);
  const [search, setSearch] = useState('');
  const list = session.collections
    .filter((one) => (system ? !one.isThrough : isBusiness(one)))
    .filter((one) => `${collectionTitle(one)} ${one.name}`.toLowerCase().includes(search.toLowerCase()));
  return (
    <Screen
      title={t('Data model')}
      lead={t('Collections hold records, like tables. Their fields and relations are made here; pages show them.')}
      extra={
        <>
          <Segmented
            value={view}
            onChange={(next) => setView(next as typeof view)}
            options={[
              { value: 'list', label: t('List'), icon: <TableOutlined /> },
              { value: 'diagram', label: t('Diagram'), icon: <ApartmentOutlined /> },
            ]}
          />
          <Button type="primary" icon={<PlusOutlined />} onClick={() => setAdding(true)}>
            {t('New collection')}
          </Button>
        </>
      }
    >
      {view === 'diagram' ? (
        <Suspense fallback={<Loading />}>
          <Diagram collections={session.collections.filter(isBusiness)} />
        </Suspense>
      ) : (
        <div className="sheet">
          <div className="toolbar">
            <Input.Search
              allowClear
              style={{ maxWidth: 260 }}
              placeholder={t('Search')}
              aria-label={t('Search')}
              onChange={(event) => setSearch(event.target.value)}
            />
            <Checkbox checked={system} onChange={(event) => setSystem(event.target.checked)}>
              {t('Show those of the system')}
            </Checkbox>
          </div>
          <Table<Collection>
            rowKey="name"
            size="middle"
            pagination={list.length > 50 ? { pageSize: 50 } : false}
            dataSource={list}
            scroll={{ x: 'max-content' }}
            locale={{
              emptyText: (
                <Nothing text={t('There are no collections yet.')}>
                  <Button type="primary" onClick={() => setAdding(true)}>
                    {t('Make the first one')}
                  </Button>
                </Nothing>
              ),
            }}
            columns={[
              {
                title: t('Title'),
                key: 'title',
                render: (_, one) => <Link to={`/data/${one.name}`}>{collectionTitle(one)}</Link>,
              },
              { title: t('Name in the API'), dataIndex: 'name' },
              {
                title: t('Fields'),
                key: 'fields',
                render: (_, one) => {
                  const names = one.fields
                    .filter(
                      (field) =>
                        isVisible(field) &&
                        !['createdAt', 'updatedAt', 'createdBy', 'updatedBy', 'id'].includes(field.interface ?? ''),
                    )
                    .map(fieldTitle);
                  return (
                    <span className="quiet">
                      {names.slice(0, 6).join(', ')}
                      {names.length > 6 ? ' …' : ''}
                    </span>
                  );
                },
              },
              {
                title: t('Relations'),
                key: 'relations',
                render: (_, one) =>
                  one.fields.filter(
                    (field) =>
                      ['toOne', 'toMany'].includes(kindOf(field)) &&
                      !['createdBy', 'updatedBy'].includes(field.interface ?? ''),
                  ).length || '',
              },
            ]}
          />
        </div>
      )}
      {adding && <NewCollection close={() => setAdding(false)} />}
    </Screen>
  );
}
