import { useTranslation } from 'react-i18next';
import { BlockFrame } from './BlockFrame';
import type { BlockProps } from './context';

export default function IframeBlock({ block }: BlockProps) {
  const { t } = useTranslation();
  const url = String(block.options?.url ?? '');
  return (
    <BlockFrame block={block}>
      {/^https?:\/\//.test(url) ? (
        // Without allow-same-origin: a page of our own origin must not reach the session.
        <iframe
          src={url}
          title={block.title || url}
          style={{ width: '100%', height: block.options?.height ?? 400, border: 0 }}
          sandbox="allow-scripts allow-forms allow-popups"
          referrerPolicy="no-referrer"
        />
      ) : (
        <span className="quiet">{t('No address yet: press the cog to enter one.')}</span>
      )}
    </BlockFrame>
  );
}
