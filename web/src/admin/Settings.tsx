import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button, Form, Input, Select, Switch } from 'antd';
import { useTranslation } from 'react-i18next';
import { call } from '../api/client';
import { useSession } from '../app/session';
import { languages } from '../i18n';
import { useSystemSettings } from '../shell/SignIn';
import { useFeedback } from '../ui/feedback';
import { Loading, Screen } from '../ui/states';

export default function Settings() {
  const { t } = useTranslation();
  const session = useSession();
  const client = useQueryClient();
  const { done, failed } = useFeedback();
  const settings = useSystemSettings();
  const info = useQuery({ queryKey: ['info'], queryFn: async () => (await call('app:getInfo')).data });
  if (!settings.data) return <Loading />;
  const save = async ({ roleMode, ...values }: Record<string, any>) => {
    try {
      await call('systemSettings:put', { values });
      if (roleMode !== settings.data.roleMode) await call('roles:setSystemRoleMode', { values: { roleMode } });
      await client.invalidateQueries({ queryKey: ['settings'] });
      await session.reload('user');
      done(t('Saved'));
    } catch (error) {
      failed(error);
    }
  };
  return (
    <Screen
      title={t('System settings')}
      lead={info.data && `Halcyon ${info.data.version} · ${info.data.database?.dialect}`}
    >
      <div className="sheet" style={{ maxWidth: 520 }}>
        <Form layout="vertical" initialValues={settings.data} onFinish={save}>
          <Form.Item
            name="raw_title"
            label={t('Title')}
            extra={t('Stands at the top of every page and on the sign-in form.')}
            rules={[{ required: true, message: t('Please enter a title') }]}
          >
            <Input />
          </Form.Item>
          <Form.Item name="appLang" label={t('Language')} extra={t('For those who have not chosen one.')}>
            <Select options={languages} />
          </Form.Item>
          <Form.Item name="allowSignUp" label={t('Everybody may sign up')} valuePropName="checked">
            <Switch />
          </Form.Item>
          <Form.Item name="roleMode" label={t('Users with several roles')}>
            <Select
              options={[
                { value: 'default', label: t('use one at a time') },
                { value: 'allow-use-union', label: t('use one at a time, or all together') },
                { value: 'only-use-union', label: t('always use all together') },
              ]}
            />
          </Form.Item>
          <Button type="primary" htmlType="submit">
            {t('Save')}
          </Button>
        </Form>
      </div>
    </Screen>
  );
}
