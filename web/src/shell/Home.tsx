// Where one begins: the first page, or, when there is none, how to come to one.
import { AppstoreAddOutlined, DatabaseOutlined, LayoutOutlined, TeamOutlined } from '@ant-design/icons';
import { lazy, Suspense, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Navigate, useNavigate } from 'react-router-dom';
import { type MenuItem, useSession } from '../app/session';
import { Nothing, Screen } from '../ui/states';
import { useEditing } from './editing';
import { pathOf } from './MenuTree';

const RouteForm = lazy(() => import('./RouteForm'));
const Templates = lazy(() => import('../templates/Templates'));

function firstPage(menu: MenuItem[]): MenuItem | undefined {
  for (const item of menu) {
    if (item.type === 'page' && !item.hideInMenu) return item;
    const inner = firstPage(item.children ?? []);
    if (inner) return inner;
  }
}

export default function Home() {
  const { t } = useTranslation();
  const session = useSession();
  const navigate = useNavigate();
  const { setEditing } = useEditing();
  const [adding, setAdding] = useState(false);
  const [templates, setTemplates] = useState(false);
  const page = firstPage(session.menu);
  if (page) return <Navigate to={pathOf(page)} replace />;
  if (!session.configure) {
    return (
      <Screen title={t('Welcome, {{name}}', { name: session.user.nickname || session.user.username })}>
        <div className="sheet">
          <Nothing text={t('There is no page for your role yet. Ask an administrator.')} />
        </div>
      </Screen>
    );
  }
  const steps = [
    {
      icon: <AppstoreAddOutlined />,
      title: t('Start from a template'),
      text: t('CRM, project tracker or inventory with sample data, in one click'),
      run: () => setTemplates(true),
    },
    {
      icon: <DatabaseOutlined />,
      title: t('Model your data'),
      text: t('Collections with fields and relations'),
      run: () => navigate('/data'),
    },
    {
      icon: <LayoutOutlined />,
      title: t('Build a page'),
      text: t('Tables, forms, kanban boards, calendars, charts'),
      run: () => {
        setEditing(true);
        setAdding(true);
      },
    },
    {
      icon: <TeamOutlined />,
      title: t('Invite your team'),
      text: t('Users, roles and what each may see and do'),
      run: () => navigate('/admin/users'),
    },
  ];
  return (
    <Screen
      title={t('Welcome, {{name}}', { name: session.user.nickname || session.user.username })}
      lead={t('Three steps to your first application: model the data, build a page, let others in.')}
    >
      <div className="cards" style={{ gridTemplateColumns: 'repeat(auto-fill, minmax(260px, 1fr))' }}>
        {steps.map((step) => (
          <button type="button" className="tile" key={step.title} onClick={step.run}>
            <span className="icon" aria-hidden="true">
              {step.icon}
            </span>
            <span>
              <b>{step.title}</b>
              <span className="quiet">{step.text}</span>
            </span>
          </button>
        ))}
      </div>
      <Suspense>
        {adding && (
          <RouteForm draft={{ type: 'page' }} close={() => setAdding(false)} made={(item) => navigate(pathOf(item))} />
        )}
        {templates && <Templates close={() => setTemplates(false)} />}
      </Suspense>
    </Screen>
  );
}
