// Messages, confirmations and errors, the same way everywhere.
import { App } from 'antd';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError, errorText } from '../api/errors';

export function useFeedback() {
  const { message, modal, notification } = App.useApp();
  const { t } = useTranslation();
  return useMemo(
    () => ({
      done: (text: string) => void message.success(text),
      warn: (text: string) => void message.warning(text),
      failed: (error: unknown) => {
        // A session that is over shows the sign-in form instead.
        if (error instanceof ApiError && error.status === 401 && error.code !== 'INVALID_CREDENTIALS') return;
        void message.error(errorText(error), 5);
      },
      /** With a button that takes it back, for some seconds. */
      undoable: (text: string, undo: () => void) => {
        const key = crypto.randomUUID();
        notification.open({
          key,
          message: text,
          placement: 'bottomLeft',
          duration: 8,
          actions: (
            <button
              type="button"
              className="link"
              onClick={() => {
                notification.destroy(key);
                undo();
              }}
            >
              {t('Undo')}
            </button>
          ),
        });
      },
      ask: (title: string, text?: string, danger = true) =>
        new Promise<boolean>((resolve) => {
          modal.confirm({
            title,
            content: text,
            okText: danger ? t('Delete') : t('OK'),
            cancelText: t('Cancel'),
            okButtonProps: { danger },
            onOk: () => resolve(true),
            onCancel: () => resolve(false),
          });
        }),
    }),
    [message, modal, notification, t],
  );
}
