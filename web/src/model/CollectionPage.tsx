// One collection: its fields, settings, and a look at its records.
import { ArrowLeftOutlined, DeleteOutlined, EditOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Form, Input, Select, Table, Tabs, Tag, Tooltip } from 'antd';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useNavigate, useParams } from 'react-router-dom';
import { api, call } from '../api/client';
import { useSession } from '../app/session';
import { newBlock } from '../blocks/defaults';
import { RecordBrowser } from '../blocks/RecordBrowser';
import { useFeedback } from '../ui/feedback';
import { Nothing, Screen } from '../ui/states';
import {
  type Collection,
  collectionTitle,
  type Field,
  fieldTitle,
  isVisible,
  keyField,
  kindOf,
  titleField,
} from './collections';
import { FieldForm } from './FieldForm';
import { interfaceOf } from './interfaces';

function Fields({ collection }: { collection: Collection }) {
  const { t } = useTranslation();
  const session = useSession();
  const { ask, done, failed } = useFeedback();
  const [form, setForm] = useState<{ field?: Field }>();
  const own = !!collection.key;
  const remove = async (field: Field) => {
    if (
      !(await ask(
        t('Delete the field "{{name}}"?', { name: fieldTitle(field) }),
        t('Its values in all records are lost.'),
      ))
    )
      return;
    try {
      await api.destroy(`collections/${collection.name}/fields`, field.name);
      await session.reload('model');
      done(t('Deleted'));
    } catch (error) {
      failed(error);
    }
  };
  const preset = (field: Field) =>
    ['id', 'createdAt', 'updatedAt', 'createdBy', 'updatedBy', 'snowflakeId'].includes(field.interface ?? '') ||
    field.primaryKey;
  return (
    <>
      <div className="toolbar">
        <span className="grow" />
        <Button type="primary" icon={<PlusOutlined />} onClick={() => setForm({})}>
          {t('Add a field')}
        </Button>
      </div>
      <Table<Field>
        rowKey="name"
        size="middle"
        pagination={false}
        scroll={{ x: 'max-content' }}
        dataSource={collection.fields.filter((field) => isVisible(field) || field.interface === 'password')}
        columns={[
          {
            title: t('Title'),
            key: 'title',
            render: (_, field) => (
              <span>
                {fieldTitle(field)} {titleField(collection) === field.name && <Tag>{t('Title field')}</Tag>}
              </span>
            ),
          },
          { title: t('Name in the API'), dataIndex: 'name' },
          {
            title: t('Kind'),
            key: 'kind',
            render: (_, field) => {
              const one = interfaceOf(field.interface);
              const target = session.collection(field.target);
              return (
                <span>
                  {one ? t(one.title) : <span className="quiet">{field.type}</span>}
                  {target && (
                    <>
                      {' → '}
                      <Link to={`/data/${target.name}`}>{collectionTitle(target)}</Link>
                    </>
                  )}
                </span>
              );
            },
          },
          {
            title: <span className="sr-only">{t('Actions')}</span>,
            key: 'actions',
            align: 'end',
            render: (_, field) =>
              field.key && !preset(field) ? (
                <>
                  <Tooltip title={t('Edit')}>
                    <Button
                      type="text"
                      size="small"
                      icon={<EditOutlined />}
                      aria-label={t('Edit {{name}}', { name: fieldTitle(field) })}
                      onClick={() => setForm({ field })}
                    />
                  </Tooltip>
                  {own && (
                    <Tooltip title={t('Delete')}>
                      <Button
                        type="text"
                        size="small"
                        danger
                        icon={<DeleteOutlined />}
                        aria-label={t('Delete {{name}}', { name: fieldTitle(field) })}
                        onClick={() => remove(field)}
                      />
                    </Tooltip>
                  )}
                </>
              ) : null,
          },
        ]}
      />
      {form && <FieldForm collection={collection} field={form.field} close={() => setForm(undefined)} />}
    </>
  );
}

function Settings({ collection }: { collection: Collection }) {
  const { t } = useTranslation();
  const session = useSession();
  const navigate = useNavigate();
  const { ask, done, failed } = useFeedback();
  const save = async (values: object) => {
    try {
      await call('collections:update', { values, params: { filterByTk: collection.name } });
      await session.reload('model');
      done(t('Saved'));
    } catch (error) {
      failed(error);
    }
  };
  const remove = async () => {
    if (
      !(await ask(
        t('Delete the collection "{{name}}"?', { name: collectionTitle(collection) }),
        t('All of its records are lost. This cannot be undone.'),
      ))
    )
      return;
    try {
      await call('collections:destroy', { values: {}, params: { filterByTk: collection.name } });
      await session.reload('model');
      navigate('/data');
    } catch (error) {
      failed(error);
    }
  };
  return (
    <Form
      layout="vertical"
      style={{ maxWidth: 460 }}
      initialValues={{
        title: collection.title,
        titleField: titleField(collection),
        description: collection.description ?? '',
      }}
      onFinish={save}
    >
      <Form.Item name="title" label={t('Title')} rules={[{ required: true, message: t('Please enter a title') }]}>
        <Input />
      </Form.Item>
      <Form.Item name="titleField" label={t('Title field')} extra={t('Stands for a record where others refer to it.')}>
        <Select
          options={collection.fields
            .filter((field) => isVisible(field) && !['toOne', 'toMany', 'json'].includes(kindOf(field)))
            .map((field) => ({ value: field.name, label: fieldTitle(field) }))}
        />
      </Form.Item>
      <Form.Item name="description" label={t('Description')}>
        <Input.TextArea autoSize={{ minRows: 2 }} />
      </Form.Item>
      <div className="row">
        <Button type="primary" htmlType="submit">
          {t('Save')}
        </Button>
        {collection.key && (
          <Button danger onClick={remove}>
            {t('Delete this collection')}
          </Button>
        )}
      </div>
    </Form>
  );
}

export default function CollectionPage() {
  const { t } = useTranslation();
  const { name } = useParams();
  const session = useSession();
  const collection = session.collection(name);
  const block = useMemo(
    () =>
      collection ? { ...newBlock('table', collection, undefined, `data.${collection.name}`), title: ' ' } : undefined,
    [collection],
  );
  if (!collection || !block)
    return <Nothing text={t('The collection "{{name}}" does not exist (any more).', { name })} />;
  return (
    <Screen
      title={
        <>
          <Link to="/data" aria-label={t('Back to all collections')} style={{ marginInlineEnd: 10 }}>
            <ArrowLeftOutlined />
          </Link>
          {collectionTitle(collection)}
        </>
      }
      lead={`${collection.name} · ${t('key')}: ${keyField(collection)}`}
    >
      <div className="sheet">
        <Tabs
          destroyOnHidden
          items={[
            { key: 'fields', label: t('Fields'), children: <Fields collection={collection} /> },
            { key: 'records', label: t('Records'), children: <RecordBrowser block={block} /> },
            {
              key: 'settings',
              label: t('Settings'),
              children: <Settings key={collection.title} collection={collection} />,
            },
          ]}
        />
      </div>
    </Screen>
  );
}
