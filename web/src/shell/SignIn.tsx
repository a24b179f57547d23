import { useQuery } from '@tanstack/react-query';
import { Alert, Button, Form, Input, Select } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router-dom';
import { call, storage } from '../api/client';
import { errorText } from '../api/errors';
import { type Language, languages, setLanguage } from '../i18n';

export function useSystemSettings() {
  return useQuery({
    queryKey: ['settings'],
    queryFn: async () => (await call('systemSettings:get')).data,
    staleTime: 60_000,
  });
}

export function SignIn({ signUp, done }: { signUp: boolean; done: () => void }) {
  const { t, i18n } = useTranslation();
  const settings = useSystemSettings();
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const title = settings.data?.title || 'Halcyon';

  const submit = async (values: Record<string, string>) => {
    setBusy(true);
    setError('');
    try {
      if (signUp) await call('auth:signUp', { values });
      const account = signUp ? { account: values.username, password: values.password } : values;
      const { data } = await call('auth:signIn', { values: account });
      storage.set('token', data.token);
      storage.set('role', '');
      done();
    } catch (failure) {
      setError(errorText(failure));
    } finally {
      setBusy(false);
    }
  };

  const required = (message: string) => [{ required: true, message }];
  return (
    <main className="sign">
      <div className="sign-card">
        <div className="brand">
          <img src="/favicon.svg" alt="" />
          {title}
        </div>
        <h1>{signUp ? t('Create an account') : t('Sign in')}</h1>
        {error && <Alert type="error" showIcon title={error} style={{ marginBottom: 16 }} role="alert" />}
        <Form key={String(signUp)} layout="vertical" onFinish={submit} requiredMark={false} disabled={busy}>
          {signUp ? (
            <Form.Item name="username" label={t('Username')} rules={required(t('Please enter a username'))}>
              <Input autoComplete="username" autoFocus />
            </Form.Item>
          ) : (
            <Form.Item
              name="account"
              label={t('Username or email')}
              rules={required(t('Please enter your username or email'))}
            >
              <Input autoComplete="username" autoFocus />
            </Form.Item>
          )}
          <Form.Item name="password" label={t('Password')} rules={required(t('Please enter a password'))}>
            <Input.Password autoComplete={signUp ? 'new-password' : 'current-password'} />
          </Form.Item>
          {signUp && (
            <Form.Item
              name="confirm_password"
              label={t('Password again')}
              dependencies={['password']}
              rules={[
                ...required(t('Please enter the password again')),
                ({ getFieldValue }) => ({
                  validator: (_, value) =>
                    !value || value === getFieldValue('password')
                      ? Promise.resolve()
                      : Promise.reject(new Error(t('The passwords differ'))),
                }),
              ]}
            >
              <Input.Password autoComplete="new-password" />
            </Form.Item>
          )}
          <Button type="primary" htmlType="submit" block loading={busy} size="large">
            {signUp ? t('Sign up') : t('Sign in')}
          </Button>
        </Form>
        <div className="sign-foot">
          {signUp ? (
            <Link to="/signin">{t('I have an account')}</Link>
          ) : settings.data?.allowSignUp ? (
            <Link to="/signup">{t('Create an account')}</Link>
          ) : (
            <span />
          )}
          <Select
            variant="borderless"
            size="small"
            value={i18n.language as Language}
            options={languages}
            onChange={setLanguage}
            aria-label={t('Language')}
            popupMatchSelectWidth={false}
          />
        </div>
      </div>
    </main>
  );
}
