import { ContactsOutlined, InboxOutlined, ProjectOutlined } from '@ant-design/icons';
import { Modal, Progress } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate } from 'react-router-dom';
import { useSession } from '../app/session';
import { useFeedback } from '../ui/feedback';
import { crm, inventory, projects } from './applications';
import { type Application, install, type Say } from './build';

export default function Templates({ close }: { close: () => void }) {
  const { t, i18n } = useTranslation();
  const session = useSession();
  const navigate = useNavigate();
  const { failed, done, warn } = useFeedback();
  const [progress, setProgress] = useState<number>();
  const say: Say = (english, chinese) => (i18n.language === 'zh-CN' ? chinese : english);
  const list = [
    {
      icon: <ContactsOutlined />,
      app: crm,
      text: t('Customers, contacts, deals on a board, activities in a calendar'),
    },
    { icon: <ProjectOutlined />, app: projects, text: t('Projects and tasks: board, table, calendar, hours') },
    { icon: <InboxOutlined />, app: inventory, text: t('Products with stock and worth, movements in and out') },
  ];
  const start = async (app: Application) => {
    if (app.collections.some((one) => session.collection(one.name))) {
      warn(t('This template is installed already.'));
      return;
    }
    setProgress(0);
    try {
      const uid = await install(app, setProgress);
      await session.reload('model', 'menu');
      done(t('"{{name}}" is ready', { name: app.title }));
      close();
      if (uid) navigate(`/page/${uid}`);
    } catch (error) {
      failed(error);
      setProgress(undefined);
    }
  };
  return (
    <Modal
      open
      title={t('Start from a template')}
      onCancel={close}
      footer={null}
      closable={progress === undefined}
      mask={{ closable: progress === undefined }}
    >
      {progress === undefined ? (
        <div className="stack">
          {list.map(({ icon, app, text }) => {
            const made = app(say);
            return (
              <button type="button" className="tile" key={made.title} onClick={() => start(made)}>
                <span className="icon" aria-hidden="true">
                  {icon}
                </span>
                <span>
                  <b>{made.title}</b>
                  <span className="quiet">{text}</span>
                </span>
              </button>
            );
          })}
        </div>
      ) : (
        <Progress percent={Math.round(progress * 100)} aria-label={t('Installing')} />
      )}
    </Modal>
  );
}
