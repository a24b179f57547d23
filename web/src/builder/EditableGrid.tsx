// The grid while it is edited: blocks are dragged by their grip (or moved by keys), resized at their edge, set up.
import { DeleteOutlined, DragOutlined, SettingOutlined } from '@ant-design/icons';
import {
  closestCenter,
  DndContext,
  type DragEndEvent,
  KeyboardSensor,
  PointerSensor,
  useSensor,
  useSensors,
} from '@dnd-kit/core';
import { rectSortingStrategy, SortableContext, sortableKeyboardCoordinates, useSortable } from '@dnd-kit/sortable';
import { CSS } from '@dnd-kit/utilities';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { usePage } from '../blocks/context';
import { BlockView } from '../blocks/Grid';
import { blockKind } from '../blocks/registry';
import type { Block, Page } from '../blocks/schema';
import { useFeedback } from '../ui/feedback';
import { AddBlock } from './AddBlock';
import { BlockSettings } from './BlockSettings';

const columns = 24;
const narrowest = 6;

function EditableBlock({
  block,
  set,
  remove,
  page,
}: {
  block: Block;
  set: (block: Block) => void;
  remove: () => void;
  page: Page;
}) {
  const { t } = useTranslation();
  const { attributes, listeners, setNodeRef, transform, transition, isDragging } = useSortable({ id: block.uid });
  const [settings, setSettings] = useState(false);
  const cell = useRef<HTMLElement>(null);
  const [preview, setPreview] = useState<number>();
  const span = preview ?? block.span ?? columns;
  const name = block.title || t(blockKind(block.type)?.title ?? block.type);

  const resize = (event: React.PointerEvent) => {
    event.preventDefault();
    const grid = cell.current!.parentElement!;
    const left = cell.current!.getBoundingClientRect().left;
    const step = grid.getBoundingClientRect().width / columns;
    let next = span;
    const move = (at: PointerEvent) => {
      next = Math.min(columns, Math.max(narrowest, Math.round((at.clientX - left) / step)));
      setPreview(next);
    };
    const end = () => {
      window.removeEventListener('pointermove', move);
      setPreview(undefined);
      set({ ...block, span: next });
    };
    window.addEventListener('pointermove', move);
    window.addEventListener('pointerup', end, { once: true });
  };
  const resizeByKey = (event: React.KeyboardEvent) => {
    const step = event.key === 'ArrowRight' ? 2 : event.key === 'ArrowLeft' ? -2 : 0;
    if (step) set({ ...block, span: Math.min(columns, Math.max(narrowest, span + step)) });
  };
  return (
    <section
      ref={(node) => {
        setNodeRef(node);
        cell.current = node;
      }}
      className={isDragging ? 'cell dragging' : 'cell'}
      style={{ gridColumn: `span ${span}`, transform: CSS.Translate.toString(transform), transition }}
      aria-label={name}
    >
      <div className="block-tools">
        <button
          type="button"
          className="grip"
          {...attributes}
          {...listeners}
          aria-label={t('Move {{name}}', { name })}
          title={t('Drag to move')}
        >
          <DragOutlined />
        </button>
        <button
          type="button"
          aria-label={t('Set up {{name}}', { name })}
          title={t('Set up')}
          onClick={() => setSettings(true)}
        >
          <SettingOutlined />
        </button>
        <button type="button" aria-label={t('Remove {{name}}', { name })} title={t('Remove')} onClick={remove}>
          <DeleteOutlined />
        </button>
      </div>
      <BlockView block={block} />
      <button
        type="button"
        className="resize"
        onPointerDown={resize}
        onKeyDown={resizeByKey}
        aria-label={t('Width of {{name}}: {{span}} of 24 columns', { name, span })}
      />
      {settings && <BlockSettings block={block} page={page} close={() => setSettings(false)} save={set} />}
    </section>
  );
}

export default function EditableGrid({ page, change }: { page: Page; change: (page: Page) => void }) {
  const { t } = useTranslation();
  const { parent } = usePage();
  const { undoable } = useFeedback();
  const sensors = useSensors(
    useSensor(PointerSensor, { activationConstraint: { distance: 5 } }),
    useSensor(KeyboardSensor, { coordinateGetter: sortableKeyboardCoordinates }),
  );
  // The newest page, for what happens later (undo).
  const latest = useRef(page);
  latest.current = page;
  const moved = ({ active, over }: DragEndEvent) => {
    if (!over || active.id === over.id) return;
    const blocks = [...page.blocks];
    const from = blocks.findIndex((block) => block.uid === active.id);
    const to = blocks.findIndex((block) => block.uid === over.id);
    blocks.splice(to, 0, ...blocks.splice(from, 1));
    change({ ...page, blocks });
  };
  const remove = (block: Block, index: number) => {
    change({ ...page, blocks: page.blocks.filter((one) => one.uid !== block.uid) });
    undoable(t('The block was removed'), () => {
      const blocks = [...latest.current.blocks];
      blocks.splice(index, 0, block);
      change({ ...latest.current, blocks });
    });
  };
  return (
    <>
      <DndContext sensors={sensors} collisionDetection={closestCenter} onDragEnd={moved}>
        <SortableContext items={page.blocks.map((block) => block.uid)} strategy={rectSortingStrategy}>
          <div className="grid" style={{ paddingTop: 8, rowGap: 22 }}>
            {page.blocks.map((block, index) => (
              <EditableBlock
                key={block.uid}
                block={block}
                page={page}
                set={(next) =>
                  change({ ...page, blocks: page.blocks.map((one) => (one.uid === next.uid ? next : one)) })
                }
                remove={() => remove(block, index)}
              />
            ))}
          </div>
        </SortableContext>
      </DndContext>
      <AddBlock parent={parent} add={(block) => change({ ...page, blocks: [...page.blocks, block] })} />
    </>
  );
}
