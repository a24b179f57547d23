// The frame of a block: its title and tools above its content.
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { useSession } from '../app/session';
import { collectionTitle } from '../model/collections';
import type { Block } from './schema';

export function BlockFrame({
  block,
  tools,
  children,
  title,
}: {
  block: Block;
  tools?: ReactNode;
  children: ReactNode;
  title?: string;
}) {
  const { t } = useTranslation();
  const session = useSession();
  const collection = session.collection(block.collection);
  const shown = block.title
    ? t(block.title)
    : (title ??
      (collection && ['table', 'list', 'kanban', 'calendar'].includes(block.type) ? collectionTitle(collection) : ''));
  return (
    <div className="block">
      {(shown || tools) && (
        <div className="block-head">
          {shown ? <h2>{shown}</h2> : <span className="grow" />}
          {tools}
        </div>
      )}
      <div className="block-body">{children}</div>
    </div>
  );
}
