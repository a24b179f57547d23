import { Button, Form, Input } from 'antd';
import { useTranslation } from 'react-i18next';
import { call } from '../api/client';
import { useSession } from '../app/session';
import { useFeedback } from '../ui/feedback';
import { Screen } from '../ui/states';

export default function Profile() {
  const { t } = useTranslation();
  const session = useSession();
  const { done, failed } = useFeedback();
  const [password] = Form.useForm();
  const save = async (values: object) => {
    try {
      await call('users:updateProfile', { values });
      await session.reload('user');
      done(t('Saved'));
    } catch (error) {
      failed(error);
    }
  };
  const change = async (values: object) => {
    try {
      await call('auth:changePassword', { values });
      // Every session ends with the old password, this one, too.
      location.assign('/signin');
    } catch (error) {
      failed(error);
    }
  };
  const required = [{ required: true, message: t('Please fill this in') }];
  return (
    <Screen title={t('My profile')}>
      <div className="cards" style={{ gridTemplateColumns: 'repeat(auto-fit, minmax(280px, 420px))' }}>
        <section className="sheet">
          <h2 className="form-section">{t('About me')}</h2>
          <Form layout="vertical" initialValues={session.user} onFinish={save}>
            <Form.Item name="nickname" label={t('Name')}>
              <Input />
            </Form.Item>
            <Form.Item name="username" label={t('Username')} rules={required}>
              <Input autoComplete="username" />
            </Form.Item>
            <Form.Item
              name="email"
              label={t('Email')}
              rules={[{ type: 'email', message: t('This is not an email address') }]}
            >
              <Input autoComplete="email" />
            </Form.Item>
            <Form.Item name="phone" label={t('Phone')}>
              <Input autoComplete="tel" />
            </Form.Item>
            <Button type="primary" htmlType="submit">
              {t('Save')}
            </Button>
          </Form>
        </section>
        <section className="sheet">
          <h2 className="form-section">{t('Password')}</h2>
          <Form form={password} layout="vertical" onFinish={change}>
            <Form.Item name="oldPassword" label={t('Present password')} rules={required}>
              <Input.Password autoComplete="current-password" />
            </Form.Item>
            <Form.Item name="newPassword" label={t('New password')} rules={required}>
              <Input.Password autoComplete="new-password" />
            </Form.Item>
            <Form.Item name="confirmPassword" label={t('New password again')} rules={required}>
              <Input.Password autoComplete="new-password" />
            </Form.Item>
            <Button htmlType="submit">{t('Change the password')}</Button>
            <p className="quiet">{t('You sign in again with the new password afterwards.')}</p>
          </Form>
        </section>
      </div>
    </Screen>
  );
}
