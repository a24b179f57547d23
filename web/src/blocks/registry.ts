// Every kind of block, in the order the builder offers them. A new one: a file beside this one and a line here.
import {
  AppstoreOutlined,
  BarChartOutlined,
  CalendarOutlined,
  FileMarkdownOutlined,
  FilterOutlined,
  FormOutlined,
  GlobalOutlined,
  ProfileOutlined,
  ProjectOutlined,
  TableOutlined,
} from '@ant-design/icons';
import { type ComponentType, lazy } from 'react';
import type { BlockProps } from './context';
import type { BlockType } from './schema';

export interface BlockKind {
  type: BlockType;
  title: string;
  hint: string;
  icon: ComponentType;
  /** `record`: shows the record of a popup. */
  needs: 'collection' | 'record' | 'nothing';
  View: ComponentType<BlockProps>;
}

export const blockKinds: BlockKind[] = [
  {
    type: 'table',
    title: 'Table',
    hint: 'Records as rows, to sort, filter and edit',
    icon: TableOutlined,
    needs: 'collection',
    View: lazy(() => import('./TableBlock')),
  },
  {
    type: 'form',
    title: 'Form',
    hint: 'Adds a record, or edits the one of a popup',
    icon: FormOutlined,
    needs: 'collection',
    View: lazy(() => import('./FormBlock')),
  },
  {
    type: 'details',
    title: 'Details',
    hint: 'The fields of one record',
    icon: ProfileOutlined,
    needs: 'record',
    View: lazy(() => import('./DetailsBlock')),
  },
  {
    type: 'list',
    title: 'Cards',
    hint: 'Records as a grid of cards',
    icon: AppstoreOutlined,
    needs: 'collection',
    View: lazy(() => import('./ListBlock')),
  },
  {
    type: 'kanban',
    title: 'Kanban',
    hint: 'Cards in columns, moved by dragging',
    icon: ProjectOutlined,
    needs: 'collection',
    View: lazy(() => import('./KanbanBlock')),
  },
  {
    type: 'calendar',
    title: 'Calendar',
    hint: 'Records by their date',
    icon: CalendarOutlined,
    needs: 'collection',
    View: lazy(() => import('./CalendarBlock')),
  },
  {
    type: 'chart',
    title: 'Chart',
    hint: 'Bars, lines, a pie or one figure',
    icon: BarChartOutlined,
    needs: 'collection',
    View: lazy(() => import('./ChartBlock')),
  },
  {
    type: 'filter',
    title: 'Filter',
    hint: 'A form that filters other blocks',
    icon: FilterOutlined,
    needs: 'collection',
    View: lazy(() => import('./FilterBlock')),
  },
  {
    type: 'markdown',
    title: 'Text',
    hint: 'Formatted text (Markdown)',
    icon: FileMarkdownOutlined,
    needs: 'nothing',
    View: lazy(() => import('./MarkdownBlock')),
  },
  {
    type: 'iframe',
    title: 'Web page',
    hint: 'Another page inside of this one',
    icon: GlobalOutlined,
    needs: 'nothing',
    View: lazy(() => import('./IframeBlock')),
  },
];

export const blockKind = (type: string): BlockKind | undefined => blockKinds.find((one) => one.type === type);
