// Makes or changes an entry of the menu: title, icon, address, who sees it.
import { useQuery } from '@tanstack/react-query';
import { Checkbox, Form, Input, Modal, Select } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../api/client';
import { type MenuItem, useSession } from '../app/session';
import { useFeedback } from '../ui/feedback';
import { MenuIcon, menuIcons } from '../ui/icons';
import type { RouteDraft } from './MenuTree';

export default function RouteForm({
  draft,
  close,
  made,
}: {
  draft: RouteDraft;
  close: () => void;
  made: (item: MenuItem) => void;
}) {
  const { t } = useTranslation();
  const session = useSession();
  const { failed } = useFeedback();
  const [form] = Form.useForm();
  const [busy, setBusy] = useState(false);
  const isNew = draft.id === undefined;
  const mayGrant = session.holds('pm.acl.roles');
  const roles = useQuery({
    queryKey: ['records', 'roles', 'choice'],
    queryFn: () => api.all('roles'),
    enabled: mayGrant,
  });
  const linked = useQuery({
    queryKey: ['records', 'desktopRoutes', 'roles', draft.id],
    queryFn: async () =>
      ((await api.get('desktopRoutes', draft.id, { appends: ['roles'] }))?.roles ?? []).map((one: any) => one.name),
    enabled: mayGrant && !isNew,
  });
  const titles = {
    page: isNew ? t('Add a page') : t('Page settings'),
    group: isNew ? t('Add a group') : t('Group settings'),
    link: isNew ? t('Add a link') : t('Link settings'),
  };

  const save = async () => {
    const values = await form.validateFields();
    setBusy(true);
    try {
      const { href, visibleTo, ...rest } = values;
      const record: Record<string, unknown> = { ...rest };
      if (draft.type === 'link') record.options = { ...draft.options, href };
      if (visibleTo) record.roles = visibleTo;
      if (isNew) {
        const item = await api.create<MenuItem>('desktopRoutes', {
          ...record,
          type: draft.type,
          parentId: draft.parentId ?? null,
        });
        await session.reload('menu');
        made(item);
      } else {
        await api.update('desktopRoutes', draft.id, record);
        await session.reload('menu');
      }
      close();
    } catch (error) {
      failed(error);
    } finally {
      setBusy(false);
    }
  };
  const choices = (roles.data ?? []).filter((one) => one.name !== 'root');
  const ready = !mayGrant || (roles.data && (isNew || linked.data));
  return (
    <Modal
      open
      title={titles[draft.type]}
      onCancel={close}
      onOk={save}
      confirmLoading={busy}
      okText={isNew ? t('Add') : t('Save')}
      cancelText={t('Cancel')}
    >
      {ready && (
        <Form
          form={form}
          layout="vertical"
          initialValues={{
            title: draft.title,
            icon: draft.icon ?? undefined,
            href: draft.options?.href,
            hideInMenu: draft.hideInMenu ?? false,
            visibleTo: isNew ? choices.filter((one) => one.allowNewMenu).map((one) => one.name) : linked.data,
          }}
          onSubmitCapture={save}
        >
          <Form.Item name="title" label={t('Title')} rules={[{ required: true, message: t('Please enter a title') }]}>
            <Input autoFocus onPressEnter={save} />
          </Form.Item>
          <Form.Item name="icon" label={t('Icon')}>
            <Select
              allowClear
              options={Object.keys(menuIcons).map((name) => ({ value: name, label: name }))}
              optionRender={({ value }) => (
                <span className="row">
                  <MenuIcon name={String(value)} /> {value}
                </span>
              )}
            />
          </Form.Item>
          {draft.type === 'link' && (
            <Form.Item
              name="href"
              label={t('Address')}
              rules={[{ required: true, message: t('Please enter an address') }]}
            >
              <Input placeholder="https://" />
            </Form.Item>
          )}
          {mayGrant && draft.type !== 'group' && (
            <Form.Item
              name="visibleTo"
              label={t('Visible to these roles')}
              extra={t('Roles that may edit pages see every page.')}
            >
              <Checkbox.Group options={choices.map((one) => ({ value: one.name, label: t(one.title ?? one.name) }))} />
            </Form.Item>
          )}
          <Form.Item name="hideInMenu" valuePropName="checked">
            <Checkbox>{t('Hide in the menu')}</Checkbox>
          </Form.Item>
        </Form>
      )}
    </Modal>
  );
}
