// What stands where content will be, or cannot be.
import { Button, Empty, Spin } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { errorText } from '../api/errors';

export function Loading() {
  const { t } = useTranslation();
  return (
    <div className="centre" role="status" aria-label={t('Loading')}>
      <Spin delay={200} />
    </div>
  );
}

export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t } = useTranslation();
  return (
    <div className="centre" role="alert">
      <div className="notice">
        <p>{errorText(error)}</p>
        {retry && <Button onClick={retry}>{t('Try again')}</Button>}
      </div>
    </div>
  );
}

export function Nothing({ text, children }: { text: ReactNode; children?: ReactNode }) {
  return (
    <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={text}>
      {children}
    </Empty>
  );
}

/** The frame of every screen that is not a page of the user's. */
export function Screen({
  title,
  lead,
  extra,
  children,
}: {
  title: ReactNode;
  lead?: ReactNode;
  extra?: ReactNode;
  children: ReactNode;
}) {
  return (
    <main className="screen">
      <header className="screen-head">
        <div>
          <h1>{title}</h1>
          {lead && <p className="lead">{lead}</p>}
        </div>
        {extra && <div className="screen-extra">{extra}</div>}
      </header>
      {children}
    </main>
  );
}
