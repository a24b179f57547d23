// A table of records outside of the user's pages. Its popups are kept here instead of in the address.
import { useMemo, useState } from 'react';
import type { Row } from '../api/client';
import { BlockView } from './Grid';
import { PageFrame, type PopupState, PopupStateContext, Popups } from './Popups';
import type { Block, Page } from './schema';

export function RecordBrowser({ block }: { block: Block }) {
  const [state, setState] = useState<{ steps: PopupState['steps']; values?: Row }>({ steps: [] });
  const popups = useMemo<PopupState>(() => ({ ...state, go: (steps, values) => setState({ steps, values }) }), [state]);
  const page = useMemo<Page>(() => ({ blocks: [block] }), [block]);
  return (
    <PopupStateContext.Provider value={popups}>
      <PageFrame page={page} popups={popups} depth={0} plain>
        <BlockView block={block} />
      </PageFrame>
      <Popups page={page} popups={popups} />
    </PopupStateContext.Provider>
  );
}
