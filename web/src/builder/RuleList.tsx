// Linkage rules of a form: when these conditions hold, do that with those fields.
import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Input, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import type { Block, Rule } from '../blocks/schema';
import { FilterBuilder } from '../fields/FilterBuilder';
import { type Collection, fieldTitle } from '../model/collections';

export function RuleList({
  collection,
  block,
  onChange,
}: {
  collection: Collection;
  block: Block;
  onChange: (rules: Rule[]) => void;
}) {
  const { t } = useTranslation();
  const rules = block.rules ?? [];
  const set = (index: number, rule: Rule) => onChange(rules.map((one, i) => (i === index ? rule : one)));
  const fields = (block.fields ?? []).map((entry) => {
    const field = collection.fields.find((one) => one.name === entry.name);
    return { value: entry.name, label: field ? fieldTitle(field) : entry.name };
  });
  return (
    <div className="stack">
      {rules.map((rule, index) => (
        <div className="sheet stack" key={index}>
          <div className="row">
            <b className="grow">{t('When')}</b>
            <Button
              type="text"
              icon={<DeleteOutlined />}
              aria-label={t('Remove this rule')}
              onClick={() => onChange(rules.filter((_, i) => i !== index))}
            />
          </div>
          <FilterBuilder
            collection={collection}
            value={rule.when}
            onChange={(when) => set(index, { ...rule, when: when ?? {} })}
          />
          <b>{t('do this')}</b>
          {rule.effects.map((then, at) => {
            const put = (next: Rule['effects'][number]) =>
              set(index, { ...rule, effects: rule.effects.map((one, i) => (i === at ? next : one)) });
            return (
              <div className="row wrap" key={at}>
                <Select
                  style={{ width: 130 }}
                  aria-label={t('Effect')}
                  value={then.action}
                  options={(['show', 'hide', 'require', 'disable', 'set'] as const).map((value) => ({
                    value,
                    label: t(`effect.${value}`),
                  }))}
                  onChange={(action) => put({ ...then, action })}
                />
                <Select
                  mode="multiple"
                  className="grow"
                  style={{ minWidth: 160 }}
                  aria-label={t('Fields')}
                  placeholder={t('Fields')}
                  value={then.fields}
                  options={fields}
                  onChange={(names) => put({ ...then, fields: names })}
                />
                {then.action === 'set' && (
                  <Input
                    style={{ width: 160 }}
                    aria-label={t('Value')}
                    placeholder="=price * amount"
                    value={String(then.value ?? '')}
                    onChange={(event) => put({ ...then, value: event.target.value })}
                  />
                )}
              </div>
            );
          })}
        </div>
      ))}
      <Button
        type="dashed"
        icon={<PlusOutlined />}
        onClick={() => onChange([...rules, { when: {}, effects: [{ action: 'show', fields: [] }] }])}
      >
        {t('Add a rule')}
      </Button>
    </div>
  );
}
