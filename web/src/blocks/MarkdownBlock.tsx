import { lazy, Suspense } from 'react';
import { useTranslation } from 'react-i18next';
import { BlockFrame } from './BlockFrame';
import { type BlockProps, usePage } from './context';

const Markdown = lazy(() => import('../ui/Markdown'));

export default function MarkdownBlock({ block }: BlockProps) {
  const { t } = useTranslation();
  const { editing } = usePage();
  const text = block.options?.text;
  return (
    <BlockFrame block={block}>
      {text ? (
        <Suspense>
          <Markdown text={text} />
        </Suspense>
      ) : (
        <span className="quiet">{editing ? t('Empty text: press the cog to write it.') : ''}</span>
      )}
    </BlockFrame>
  );
}
