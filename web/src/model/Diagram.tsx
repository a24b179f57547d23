// The collections and their relations as a diagram; drawing a line between two makes a relation.
import {
  Background,
  type Connection,
  Controls,
  type Edge,
  Handle,
  type Node,
  type NodeProps,
  Position,
  ReactFlow,
  useNodesState,
} from '@xyflow/react';
import '@xyflow/react/dist/style.css';
import { Form, Input, Modal, Radio } from 'antd';
import { useEffect, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router-dom';
import { api, storage } from '../api/client';
import { useSession } from '../app/session';
import { useDark } from '../app/theme';
import { useFeedback } from '../ui/feedback';
import { type Collection, collectionTitle, fieldTitle, isRelation, isVisible } from './collections';
import { definitionOf } from './FieldForm';
import { interfaceOf, nameFrom } from './interfaces';

type Places = Record<string, { x: number; y: number }>;

function Table({ data }: NodeProps<Node<{ collection: Collection }>>) {
  const { t } = useTranslation();
  const { collection } = data;
  const fields = collection.fields.filter(
    (field) =>
      isVisible(field) && !['createdAt', 'updatedAt', 'createdBy', 'updatedBy'].includes(field.interface ?? ''),
  );
  return (
    <div className="entity">
      <Handle type="target" position={Position.Left} />
      <header>
        <Link to={`/data/${collection.name}`}>{collectionTitle(collection)}</Link>
      </header>
      <ul>
        {fields.slice(0, 12).map((field) => {
          const kind = interfaceOf(field.interface);
          return (
            <li key={field.name}>
              <span>{fieldTitle(field)}</span>
              <span className="quiet">{kind ? t(kind.title) : field.type}</span>
            </li>
          );
        })}
      </ul>
      <Handle type="source" position={Position.Right} />
    </div>
  );
}
const nodeTypes = { table: Table };

function NewRelation({ from, to, close }: { from: Collection; to: Collection; close: () => void }) {
  const { t } = useTranslation();
  const session = useSession();
  const { failed, done } = useFeedback();
  const [form] = Form.useForm();
  const save = async () => {
    const values = await form.validateFields().catch(() => undefined);
    if (!values) return;
    const kind = interfaceOf(values.kind)!;
    try {
      const definition = definitionOf(
        kind,
        { ...values, name: nameFrom(values.title, 'f'), target: to.name, inverse: true, onDelete: 'SET NULL' },
        from,
      );
      await api.create(`collections/${from.name}/fields`, definition);
      await session.reload('model');
      done(t('Added'));
      close();
    } catch (error) {
      failed(error);
    }
  };
  const names = { from: collectionTitle(from), to: collectionTitle(to) };
  return (
    <Modal
      open
      title={t('New relation from {{from}} to {{to}}', names)}
      onCancel={close}
      onOk={save}
      okText={t('Create')}
      cancelText={t('Cancel')}
    >
      <Form form={form} layout="vertical" initialValues={{ kind: 'm2o', title: to.title ?? to.name }}>
        <Form.Item name="kind">
          <Radio.Group
            style={{ display: 'flex', flexDirection: 'column', gap: 6 }}
            options={[
              { value: 'm2o', label: t('each of {{from}} has one of {{to}}', names) },
              { value: 'o2m', label: t('each of {{from}} has several of {{to}}', names) },
              { value: 'm2m', label: t('several on both sides') },
            ]}
          />
        </Form.Item>
        <Form.Item name="title" label={t('Title')} rules={[{ required: true, message: t('Please enter a title') }]}>
          <Input autoFocus onPressEnter={save} />
        </Form.Item>
      </Form>
    </Modal>
  );
}

export default function Diagram({ collections }: { collections: Collection[] }) {
  const { t } = useTranslation();
  const dark = useDark();
  const [relation, setRelation] = useState<{ from: Collection; to: Collection }>();
  const columns = Math.max(1, Math.ceil(Math.sqrt(collections.length)));
  const [nodes, setNodes, apply] = useNodesState<Node>([]);
  useEffect(() => {
    const places: Places = JSON.parse(storage.get('diagram') || '{}');
    setNodes(
      collections.map((collection, index) => ({
        id: collection.name,
        type: 'table',
        data: { collection },
        position: places[collection.name] ?? { x: (index % columns) * 330, y: Math.floor(index / columns) * 340 },
      })),
    );
  }, [collections, columns, setNodes]);
  const edges = useMemo<Edge[]>(() => {
    const list: Edge[] = [];
    const seen = new Set<string>();
    for (const collection of collections) {
      for (const field of collection.fields.filter(
        (one) => isRelation(one) && ['m2o', 'o2m', 'm2m', 'oho', 'obo'].includes(one.interface ?? ''),
      )) {
        if (!collections.some((one) => one.name === field.target)) continue;
        // Both sides of a relation are one line.
        const id =
          field.type === 'belongsToMany'
            ? `${field.through}`
            : `${field.type === 'belongsTo' ? collection.name : field.target}.${field.foreignKey}`;
        if (seen.has(id)) continue;
        seen.add(id);
        const marks: Record<string, string> = {
          belongsTo: 'n : 1',
          hasMany: '1 : n',
          hasOne: '1 : 1',
          belongsToMany: 'n : n',
        };
        list.push({
          id,
          source: collection.name,
          target: field.target!,
          label: `${fieldTitle(field)}  ${marks[field.type] ?? ''}`,
          type: 'smoothstep',
        });
      }
    }
    return list;
  }, [collections]);
  const connect = ({ source, target }: Connection) => {
    const find = (name: string) => collections.find((one) => one.name === name);
    const from = find(source);
    const to = find(target);
    if (from && to) setRelation({ from, to });
  };
  return (
    <div className="sheet" style={{ padding: 0, height: 'max(480px, calc(100vh - 210px))' }}>
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={nodeTypes}
        colorMode={dark ? 'dark' : 'light'}
        fitView
        fitViewOptions={{ maxZoom: 1 }}
        onConnect={connect}
        onNodesChange={apply}
        onNodeDragStop={(_, __, moved) => {
          const places: Places = JSON.parse(storage.get('diagram') || '{}');
          for (const node of moved) places[node.id] = node.position;
          storage.set('diagram', JSON.stringify(places));
        }}
        aria-label={t('Diagram')}
      >
        <Background />
        <Controls showInteractive={false} />
      </ReactFlow>
      {relation && <NewRelation {...relation} close={() => setRelation(undefined)} />}
    </div>
  );
}
