import { MutationCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { App as AntApp, ConfigProvider, type ConfigProviderProps } from 'antd';
import enUS from 'antd/locale/en_US';
import dayjs from 'dayjs';
import { lazy, Suspense, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { BrowserRouter, Navigate, Route, Routes, useLocation, useNavigate } from 'react-router-dom';
import { storage, whenSignedOut } from '../api/client';
import { Shell } from '../shell/Shell';
import { SignIn } from '../shell/SignIn';
import { Failure, Loading } from '../ui/states';
import { SessionProvider, useSessionQueries } from './session';
import { themeOf, useDark } from './theme';

const client = new QueryClient({
  defaultOptions: {
    // The API client itself repeats what a dying replica did not answer.
    queries: { retry: false, staleTime: 10_000, refetchOnWindowFocus: true, placeholderData: undefined },
  },
  mutationCache: new MutationCache(),
});

const Pages = {
  Page: lazy(() => import('../blocks/PageView')),
  Home: lazy(() => import('../shell/Home')),
  Model: lazy(() => import('../model/ModelPage')),
  Collection: lazy(() => import('../model/CollectionPage')),
  Users: lazy(() => import('../admin/Users')),
  Roles: lazy(() => import('../admin/Roles')),
  ApiKeys: lazy(() => import('../admin/ApiKeys')),
  Settings: lazy(() => import('../admin/Settings')),
  Cluster: lazy(() => import('../admin/Cluster')),
  Profile: lazy(() => import('../shell/Profile')),
};

function SignedIn() {
  const queries = useSessionQueries(true);
  const location = useLocation();
  const failed = Object.values(queries).find((one) => one.isError && !one.data);
  if (failed) return <Failure error={failed.error} retry={() => client.invalidateQueries({ queryKey: ['session'] })} />;
  if (Object.values(queries).some((one) => !one.data)) return <Loading />;
  return (
    <SessionProvider queries={queries}>
      <Shell>
        <Suspense fallback={<Loading />} key={location.pathname.split('/').slice(0, 3).join('/')}>
          <Routes>
            <Route path="/" element={<Pages.Home />} />
            <Route path="/page/:uid/*" element={<Pages.Page />} />
            <Route path="/data" element={<Pages.Model />} />
            <Route path="/data/:name" element={<Pages.Collection />} />
            <Route path="/admin/users" element={<Pages.Users />} />
            <Route path="/admin/roles/:role?" element={<Pages.Roles />} />
            <Route path="/admin/api-keys" element={<Pages.ApiKeys />} />
            <Route path="/admin/settings" element={<Pages.Settings />} />
            <Route path="/admin/cluster" element={<Pages.Cluster />} />
            <Route path="/profile" element={<Pages.Profile />} />
            <Route path="*" element={<Navigate to="/" replace />} />
          </Routes>
        </Suspense>
      </Shell>
    </SessionProvider>
  );
}

function Gate() {
  const navigate = useNavigate();
  const location = useLocation();
  const [token, setToken] = useState(storage.get('token'));
  useEffect(() => {
    whenSignedOut(() => {
      client.removeQueries();
      setToken(storage.get('token'));
    });
  }, []);
  // Signing in or out in one window counts in the others.
  useEffect(() => {
    const changed = (event: StorageEvent) => event.key === 'halcyon.token' && setToken(event.newValue ?? '');
    window.addEventListener('storage', changed);
    return () => window.removeEventListener('storage', changed);
  }, []);
  const wanted = new URLSearchParams(location.search).get('redirect') ?? '/';
  if (!token) {
    if (!['/signin', '/signup'].includes(location.pathname)) {
      const back =
        location.pathname === '/' ? '' : `?redirect=${encodeURIComponent(location.pathname + location.search)}`;
      return <Navigate to={`/signin${back}`} replace />;
    }
    return (
      <SignIn
        signUp={location.pathname === '/signup'}
        done={() => {
          client.removeQueries();
          setToken(storage.get('token'));
          navigate(wanted.startsWith('/') && !wanted.startsWith('//') ? wanted : '/', { replace: true });
        }}
      />
    );
  }
  if (location.pathname === '/signin' || location.pathname === '/signup') return <Navigate to={wanted} replace />;
  return <SignedIn />;
}

export function Root() {
  const dark = useDark();
  const { i18n } = useTranslation();
  const [locale, setLocale] = useState<ConfigProviderProps['locale']>(enUS);
  useEffect(() => {
    if (i18n.language === 'zh-CN') {
      import('../i18n/antd-zh').then((module) => {
        dayjs.locale('zh-cn');
        setLocale(module.default);
      });
    } else {
      dayjs.locale('en');
      setLocale(enUS);
    }
  }, [i18n.language]);
  useEffect(() => {
    document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  }, [dark]);
  return (
    <ConfigProvider theme={themeOf(dark)} locale={locale}>
      <AntApp message={{ maxCount: 3 }}>
        <QueryClientProvider client={client}>
          <BrowserRouter future={{ v7_startTransition: true, v7_relativeSplatPath: true }}>
            <Gate />
          </BrowserRouter>
        </QueryClientProvider>
      </AntApp>
    </ConfigProvider>
  );
}
