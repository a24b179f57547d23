// Offers the kinds of block, then the data it shows.
import { PlusOutlined } from '@ant-design/icons';
import { Button, Modal, Select } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router-dom';
import { useSession } from '../app/session';
import { newBlock } from '../blocks/defaults';
import { type BlockKind, blockKinds } from '../blocks/registry';
import type { Block, Parent } from '../blocks/schema';
import { collectionTitle, fieldTitle, isBusiness, kindOf } from '../model/collections';

interface Source {
  value: string;
  label: string;
  collection: string;
  association?: string;
}

export function useSources(parent?: Parent, kind?: BlockKind): { label: string; options: Source[] }[] {
  const { t } = useTranslation();
  const session = useSession();
  const owner = session.collection(parent?.collection);
  const of = (collection: string, association?: string): Source => ({
    value: association ? `${collection}.${association}` : collection,
    label: association ? '' : collectionTitle(session.collection(collection)!),
    collection,
    association,
  });
  const groups: { label: string; options: Source[] }[] = [];
  if (owner && kind && ['form', 'details'].includes(kind.type)) {
    groups.push({ label: t('This record'), options: [of(owner.name)] });
  }
  if (owner && kind?.needs === 'collection') {
    const related = owner.fields.filter((field) => kindOf(field) === 'toMany' && session.collection(field.target));
    if (related.length) {
      groups.push({
        label: t('Records of this record'),
        options: related.map((field) => ({ ...of(field.target!, field.name), label: fieldTitle(field) })),
      });
    }
  }
  if (!owner || kind?.type !== 'details') {
    groups.push({
      label: t('All records'),
      options: [
        ...session.collections.filter(isBusiness).map((one) => of(one.name)),
        ...(session.collection('users') ? [of('users')] : []),
      ].filter((one) => one.collection !== owner?.name || kind?.type !== 'form'),
    });
  }
  return groups.filter((group) => group.options.length);
}

export function AddBlock({ add, parent }: { add: (block: Block) => void; parent?: Parent }) {
  const { t } = useTranslation();
  const session = useSession();
  const [open, setOpen] = useState(false);
  const [kind, setKind] = useState<BlockKind>();
  const sources = useSources(parent, kind);
  const close = () => {
    setOpen(false);
    setKind(undefined);
  };
  const choose = (one: BlockKind) => {
    if (one.needs !== 'nothing') return setKind(one);
    add(newBlock(one.type));
    close();
  };
  const flat = sources.flatMap((group) => group.options);
  return (
    <>
      <Button
        type="dashed"
        block
        size="large"
        className="add-block"
        icon={<PlusOutlined />}
        onClick={() => setOpen(true)}
      >
        {t('Add a block')}
      </Button>
      <Modal
        open={open}
        onCancel={close}
        footer={null}
        title={kind ? t('{{kind}}: which records?', { kind: t(kind.title) }) : t('Add a block')}
        width={640}
        destroyOnHidden
      >
        {!kind ? (
          <div className="cards">
            {blockKinds.map((one) => (
              <button type="button" className="tile" key={one.type} onClick={() => choose(one)}>
                <span className="icon" aria-hidden="true">
                  <one.icon />
                </span>
                <span>
                  <b>{t(one.title)}</b>
                  <span className="quiet">{t(one.hint)}</span>
                </span>
              </button>
            ))}
          </div>
        ) : flat.length ? (
          <div className="stack">
            <Select<string, Source>
              autoFocus
              defaultOpen
              aria-label={t('Records')}
              placeholder={t('Choose…')}
              showSearch={{ optionFilterProp: 'label' }}
              options={sources as any}
              onChange={(value) => {
                const source = flat.find((one) => one.value === value)!;
                add(newBlock(kind.type, session.collection(source.collection), source.association));
                close();
              }}
            />
            <div style={{ height: Math.min(220, flat.length * 34 + 40) }} />
          </div>
        ) : (
          <p>
            {t('There are no collections yet.')} <Link to="/data">{t('Make one in the data model')}</Link>
          </p>
        )}
      </Modal>
    </>
  );
}
