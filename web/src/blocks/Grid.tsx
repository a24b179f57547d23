// The blocks of a page on a grid of 24 columns; while editing they are dragged, resized, set up and added.
import { lazy, Suspense } from 'react';
import { useTranslation } from 'react-i18next';
import { Boundary } from '../ui/Boundary';
import { Loading, Nothing } from '../ui/states';
import { usePage } from './context';
import { blockKind } from './registry';
import type { Block, Page } from './schema';

const EditableGrid = lazy(() => import('../builder/EditableGrid'));

export function BlockView({ block }: { block: Block }) {
  const { t } = useTranslation();
  const kind = blockKind(block.type);
  if (!kind) return <Nothing text={t('This block needs a newer version of the program.')} />;
  return (
    <Boundary>
      <Suspense fallback={<Loading />}>
        <kind.View block={block} />
      </Suspense>
    </Boundary>
  );
}

export function Grid({ page, change, plain }: { page: Page; change?: (page: Page) => void; plain?: boolean }) {
  const { t } = useTranslation();
  const { parent } = usePage();
  if (change) {
    return (
      <Suspense fallback={<Loading />}>
        <EditableGrid page={page} change={change} />
      </Suspense>
    );
  }
  if (!page.blocks.length)
    return (
      <Nothing
        text={
          plain || parent
            ? t('There is nothing here yet.')
            : t('This page is empty. Switch editing on (the pencil at the top) to add blocks.')
        }
      />
    );
  return (
    <div className="grid">
      {page.blocks.map((block) => (
        <section
          key={block.uid}
          className="cell"
          style={{ gridColumn: `span ${block.span ?? 24}` }}
          aria-label={block.title}
        >
          <BlockView block={block} />
        </section>
      ))}
    </div>
  );
}
