// What blocks of one page share: filters of filter blocks, opening popups, and who is being edited.
import { createContext, useContext } from 'react';
import type { Row } from '../api/client';
import type { Action, Block, Page, Parent } from './schema';

export interface PageContextValue {
  page: Page;
  parent?: Parent;
  /** What was clicked to open this popup. */
  action?: string;
  /** Where a form of this popup makes its record, when it belongs to another: `customers/5/orders`. */
  createIn?: string;
  /** Filters that filter blocks lay on others, by uid of the other. */
  filters: Record<string, Row | undefined>;
  setFilter(by: string, targets: string[], filter: Row | undefined): void;
  /** Opens what an action opens; `key` is the record's. */
  open(block: Block, action: Action, key?: unknown, values?: Row): void;
  openRecord(collection: string, key: unknown): void;
  /** Closes the popup this page is in. */
  close?(): void;
  editing: boolean;
}

export const PageContext = createContext<PageContextValue | null>(null);

export function usePage(): PageContextValue {
  const value = useContext(PageContext);
  if (!value) throw new Error('outside of a page');
  return value;
}

export interface BlockProps {
  block: Block;
}
