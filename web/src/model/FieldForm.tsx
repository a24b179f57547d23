// Adds a field, or changes one: first its kind, then what the kind needs.
import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Checkbox, Drawer, Form, Input, InputNumber, Select } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, type Row } from '../api/client';
import { useSession } from '../app/session';
import { FieldInput } from '../fields/FieldInput';
import { useFeedback } from '../ui/feedback';
import { type Collection, collectionTitle, type Field, fieldTitle, isBusiness, isVisible, kindOf } from './collections';
import { type FieldInterface, interfaceOf, interfaces, nameFrom, type OptionName } from './interfaces';

const colours = ['default', 'blue', 'cyan', 'green', 'gold', 'orange', 'red', 'magenta', 'purple', 'geekblue'];

function EnumEditor({ value, onChange }: { value?: Row[]; onChange?: (list: Row[]) => void }) {
  const { t } = useTranslation();
  const list = value ?? [];
  const set = (index: number, more: Row) => onChange?.(list.map((one, i) => (i === index ? { ...one, ...more } : one)));
  return (
    <div className="stack" style={{ gap: 6 }}>
      {list.map((one, index) => (
        <div className="row" key={index}>
          <Input
            aria-label={t('Choice {{number}}', { number: index + 1 })}
            value={one.label}
            placeholder={t('Label')}
            onChange={(event) =>
              set(index, { label: event.target.value, ...(one.kept ? {} : { value: event.target.value }) })
            }
          />
          <Select
            aria-label={t('Colour')}
            style={{ width: 120 }}
            value={one.color ?? 'default'}
            options={colours.map((name) => ({ value: name, label: t(`colour.${name}`) }))}
            onChange={(color) => set(index, { color })}
          />
          <Button
            type="text"
            icon={<DeleteOutlined />}
            aria-label={t('Remove {{name}}', { name: one.label })}
            onClick={() => onChange?.(list.filter((_, i) => i !== index))}
          />
        </div>
      ))}
      <Button
        type="dashed"
        icon={<PlusOutlined />}
        onClick={() =>
          onChange?.([...list, { value: '', label: '', color: colours[(list.length % (colours.length - 1)) + 1] }])
        }
      >
        {t('Add a choice')}
      </Button>
    </div>
  );
}

function SequenceEditor({ value, onChange }: { value?: Row; onChange?: (value: Row) => void }) {
  const { t } = useTranslation();
  const now = value ?? { prefix: '', digits: 5, date: '' };
  return (
    <div className="row wrap">
      <Input
        style={{ width: 120 }}
        aria-label={t('Prefix')}
        placeholder="INV-"
        value={now.prefix}
        onChange={(event) => onChange?.({ ...now, prefix: event.target.value })}
      />
      <Select
        style={{ width: 150 }}
        aria-label={t('Date part')}
        value={now.date ?? ''}
        options={[
          { value: '', label: t('no date') },
          { value: 'YYYY', label: t('year') },
          { value: 'YYYYMM', label: t('year and month') },
          { value: 'YYYYMMDD', label: t('day') },
        ]}
        onChange={(date) => onChange?.({ ...now, date })}
      />
      <InputNumber
        aria-label={t('Digits')}
        min={1}
        max={12}
        value={now.digits}
        onChange={(digits) => onChange?.({ ...now, digits })}
      />
    </div>
  );
}

const patternsOf = (one: Row = {}) => [
  ...(one.prefix ? [{ type: 'string', options: { value: one.prefix } }] : []),
  ...(one.date ? [{ type: 'date', options: { format: one.date } }] : []),
  { type: 'integer', options: { digits: one.digits ?? 5, start: 1 } },
];

function fromPatterns(patterns: Row[] = []): Row {
  const of = (type: string) => patterns.find((one) => one.type === type)?.options;
  return { prefix: of('string')?.value ?? '', date: of('date')?.format ?? '', digits: of('integer')?.digits ?? 5 };
}

const ruleValue = (field: Field | undefined, name: string) => {
  const args = field?.validation?.rules?.find((rule) => rule.name === name)?.args;
  return args?.limit ?? args?.value ?? args?.regex;
};

function formValues(field: Field | undefined): Row {
  if (!field)
    return {
      scale: 2,
      inverse: true,
      onDelete: 'SET NULL',
      sequence: { prefix: '', digits: 5, date: '' },
      dataType: 'double',
    };
  return {
    title: field.uiSchema?.title ?? field.name,
    name: field.name,
    description: field.description,
    enum: (field.uiSchema?.enum ?? []).map((one) => ({ ...one, kept: true })),
    required: field.uiSchema?.required,
    unique: field.unique,
    defaultValue: field.defaultValue,
    scale: field.scale,
    unit: field.uiSchema?.['x-component-props']?.addonAfter,
    target: field.target,
    onDelete: field.onDelete ?? 'SET NULL',
    expression: field.expression,
    dataType: field.dataType,
    sequence: fromPatterns(field.patterns),
    min: ruleValue(field, 'min'),
    max: ruleValue(field, 'max'),
    pattern: ruleValue(field, 'pattern'),
  };
}

/** The definition that the server takes. */
export function definitionOf(kind: FieldInterface, values: Row, collection: Collection, before?: Field): Row {
  const has = (name: OptionName) => kind.options.includes(name);
  const definition: Row = before ? {} : { ...kind.make, name: values.name, interface: kind.name };
  const uiSchema: Row = { ...before?.uiSchema, title: values.title };
  if (has('required')) uiSchema.required = !!values.required;
  if (has('enum'))
    uiSchema.enum = (values.enum ?? [])
      .filter((one: Row) => one.label)
      .map(({ value, label, color }: Row) => ({ value: value || label, label, color }));
  if (has('unit'))
    uiSchema['x-component-props'] = { ...uiSchema['x-component-props'], addonAfter: values.unit || undefined };
  definition.uiSchema = uiSchema;
  if (values.description !== undefined) definition.description = values.description || null;
  if (has('scale')) definition.scale = values.scale ?? 2;
  if (has('unique')) definition.unique = !!values.unique;
  if (has('default'))
    definition.defaultValue =
      values.defaultValue === undefined || values.defaultValue === '' ? null : values.defaultValue;
  const rules: Row[] = [];
  const rule = (name: string, args: Row) => rules.push({ key: `r_${name}`, name, args });
  if ((has('length') || has('limits')) && typeof values.min === 'number') rule('min', { limit: values.min });
  if ((has('length') || has('limits')) && typeof values.max === 'number') rule('max', { limit: values.max });
  if (has('length') && values.pattern) rule('pattern', { regex: values.pattern });
  if (has('required') && values.required && !has('target')) rule('required', {});
  if (rules.length || before?.validation) definition.validation = { type: has('limits') ? 'number' : 'string', rules };
  if (has('formula'))
    Object.assign(definition, { expression: values.expression, dataType: values.dataType ?? 'double' });
  if (has('patterns')) definition.patterns = patternsOf(values.sequence);
  if (has('target') && !before) {
    definition.target = values.target;
    if (has('onDelete')) definition.onDelete = values.onDelete;
    if (values.inverse) {
      const inverse: Row = {
        o2m: { interface: 'm2o', type: 'belongsTo' },
        m2o: { interface: 'o2m', type: 'hasMany' },
        m2m: { interface: 'm2m', type: 'belongsToMany' },
        oho: { interface: 'obo', type: 'belongsTo' },
      };
      definition.reverseField = {
        ...inverse[kind.name],
        name: values.inverseName || nameFrom(collection.title ?? collection.name, 'f'),
        uiSchema: { title: values.inverseTitle || collection.title || collection.name },
      };
    }
  }
  return definition;
}

function KindChoice({ choose }: { choose: (kind: FieldInterface) => void }) {
  const { t } = useTranslation();
  const groups = [...new Set(interfaces.map((one) => one.group))];
  return (
    <div className="stack">
      {groups.map((group) => (
        <section key={group}>
          <h3 className="form-section">{t(group)}</h3>
          <div className="cards" style={{ gridTemplateColumns: 'repeat(auto-fill, minmax(200px, 1fr))', gap: 8 }}>
            {interfaces
              .filter((one) => one.group === group)
              .map((one) => (
                <button
                  type="button"
                  className="tile"
                  style={{ padding: '9px 12px' }}
                  key={one.name}
                  onClick={() => choose(one)}
                >
                  <span>
                    <b>{t(one.title)}</b>
                    {one.hint && <span className="quiet">{t(one.hint)}</span>}
                  </span>
                </button>
              ))}
          </div>
        </section>
      ))}
    </div>
  );
}

export function FieldForm({ collection, field, close }: { collection: Collection; field?: Field; close: () => void }) {
  const { t } = useTranslation();
  const session = useSession();
  const { failed, done } = useFeedback();
  const [form] = Form.useForm<Row>();
  const [kind, setKind] = useState<FieldInterface | undefined>(() =>
    field
      ? (interfaceOf(field.interface) ?? {
          name: field.interface ?? '',
          title: field.type,
          group: 'Advanced',
          make: {},
          options: [],
        })
      : undefined,
  );
  const [busy, setBusy] = useState(false);
  const [named, setNamed] = useState(!!field);
  const values = Form.useWatch([], form) ?? {};
  const has = (name: OptionName) => kind?.options.includes(name);

  const save = async (again: boolean) => {
    const given = await form.validateFields().catch(() => undefined);
    if (!given || !kind) return;
    setBusy(true);
    try {
      const definition = definitionOf(kind, { ...form.getFieldsValue(true) }, collection, field);
      const resource = `collections/${collection.name}/fields`;
      if (field) await api.update(resource, field.name, definition);
      else await api.create(resource, definition);
      await session.reload('model');
      done(field ? t('Saved') : t('Added'));
      if (again) {
        form.resetFields();
        setNamed(false);
        setKind(undefined);
      } else close();
    } catch (error) {
      failed(error);
    } finally {
      setBusy(false);
    }
  };
  const usable = collection.fields.filter(
    (one) =>
      isVisible(one) &&
      ['integer', 'number', 'percent', 'text', 'boolean'].includes(kindOf(one)) &&
      one.name !== field?.name,
  );
  const sample: Field = {
    name: 'defaultValue',
    type: kind?.make.type ?? 'string',
    interface: kind?.name,
    uiSchema: { enum: values.enum },
  };
  return (
    <Drawer
      open
      size={560}
      onClose={close}
      title={
        field
          ? t('Edit {{name}}', { name: fieldTitle(field) })
          : kind
            ? `${t('Add a field')}: ${t(kind.title)}`
            : t('Add a field: what kind?')
      }
      footer={
        kind && (
          <div className="row" style={{ justifyContent: 'flex-end' }}>
            {!field && (
              <Button onClick={() => setKind(undefined)} style={{ marginInlineEnd: 'auto' }}>
                {t('Other kind')}
              </Button>
            )}
            {!field && (
              <Button onClick={() => save(true)} loading={busy}>
                {t('Add, and another')}
              </Button>
            )}
            <Button type="primary" onClick={() => save(false)} loading={busy}>
              {field ? t('Save') : t('Add')}
            </Button>
          </div>
        )
      }
    >
      {!kind ? (
        <KindChoice choose={setKind} />
      ) : (
        <Form form={form} layout="vertical" initialValues={formValues(field)}>
          <Form.Item name="title" label={t('Title')} rules={[{ required: true, message: t('Please enter a title') }]}>
            <Input
              autoFocus
              onPressEnter={() => save(false)}
              onChange={(event) => {
                if (!named) form.setFieldValue('name', nameFrom(event.target.value, 'f'));
              }}
            />
          </Form.Item>
          <Form.Item
            name="name"
            label={t('Name in the API')}
            rules={[
              { required: true, message: t('Please enter a name') },
              { pattern: /^[A-Za-z_][\w-]*$/, message: t('Letters, digits and _ only, beginning with a letter') },
            ]}
          >
            <Input disabled={!!field} onChange={() => setNamed(true)} />
          </Form.Item>
          {has('enum') && (
            <Form.Item name="enum" label={t('Choices')}>
              <EnumEditor />
            </Form.Item>
          )}
          {has('target') && (
            <>
              <Form.Item
                name="target"
                label={t('Records of which collection?')}
                rules={[{ required: true, message: t('Please choose a collection') }]}
              >
                <Select
                  disabled={!!field}
                  showSearch={{ optionFilterProp: 'label' }}
                  options={session.collections
                    .filter((one) => isBusiness(one) || one.name === 'users')
                    .map((one) => ({ value: one.name, label: collectionTitle(one) }))}
                />
              </Form.Item>
              {!field && (
                <>
                  <Form.Item name="inverse" valuePropName="checked">
                    <Checkbox>{t('Show the relation on the other side, too')}</Checkbox>
                  </Form.Item>
                  {values.inverse && (
                    <Form.Item name="inverseTitle" label={t('Title on the other side')}>
                      <Input placeholder={collectionTitle(collection)} />
                    </Form.Item>
                  )}
                </>
              )}
            </>
          )}
          {has('onDelete') && !field && (
            <Form.Item
              name="onDelete"
              label={
                kind.name === 'm2o' ? t('When the record it points to is deleted') : t('When this record is deleted')
              }
            >
              <Select
                options={[
                  { value: 'SET NULL', label: t('only the link goes') },
                  { value: 'CASCADE', label: t('the related records are deleted, too') },
                  { value: 'RESTRICT', label: t('that is refused') },
                ]}
              />
            </Form.Item>
          )}
          {has('formula') && (
            <>
              <Form.Item
                name="expression"
                label={t('Formula')}
                rules={[{ required: true, message: t('Please enter a formula') }]}
                extra={t('Fields stand in double braces, for example {{price}} * {{amount}}', {
                  price: '{{price}}',
                  amount: '{{amount}}',
                })}
              >
                <Input.TextArea autoSize style={{ fontFamily: 'monospace' }} />
              </Form.Item>
              <div className="row wrap" style={{ marginBottom: 16 }}>
                {usable.map((one) => (
                  <Button
                    key={one.name}
                    size="small"
                    onClick={() =>
                      form.setFieldValue('expression', `${form.getFieldValue('expression') ?? ''}{{${one.name}}}`)
                    }
                  >
                    {fieldTitle(one)}
                  </Button>
                ))}
              </div>
              <Form.Item name="dataType" label={t('The result is')}>
                <Select
                  options={[
                    { value: 'double', label: t('a number') },
                    { value: 'integer', label: t('a whole number') },
                    { value: 'string', label: t('a text') },
                    { value: 'boolean', label: t('yes or no') },
                  ]}
                />
              </Form.Item>
            </>
          )}
          {has('patterns') && (
            <Form.Item name="sequence" label={t('Prefix, date, number of digits')}>
              <SequenceEditor />
            </Form.Item>
          )}
          {has('scale') && (
            <Form.Item name="scale" label={t('Decimal places')}>
              <InputNumber min={0} max={10} />
            </Form.Item>
          )}
          {has('unit') && (
            <Form.Item name="unit" label={t('Unit')}>
              <Input style={{ maxWidth: 160 }} placeholder="kg, €, h" />
            </Form.Item>
          )}
          {has('default') && (
            <Form.Item name="defaultValue" label={t('Default value')}>
              <FieldInput field={sample} />
            </Form.Item>
          )}
          {has('required') && (
            <Form.Item name="required" valuePropName="checked" style={{ marginBottom: 8 }}>
              <Checkbox>{t('Required')}</Checkbox>
            </Form.Item>
          )}
          {has('unique') && (
            <Form.Item name="unique" valuePropName="checked">
              <Checkbox>{t('No two records may have the same value')}</Checkbox>
            </Form.Item>
          )}
          {(has('length') || has('limits')) && (
            <div className="row" style={{ alignItems: 'flex-start' }}>
              <Form.Item name="min" label={has('length') ? t('Fewest characters') : t('Smallest value')}>
                <InputNumber />
              </Form.Item>
              <Form.Item name="max" label={has('length') ? t('Most characters') : t('Largest value')}>
                <InputNumber />
              </Form.Item>
              {has('length') && kind.name === 'input' && (
                <Form.Item name="pattern" label={t('Pattern (regular expression)')}>
                  <Input placeholder="^[A-Z]{2}\d+$" />
                </Form.Item>
              )}
            </div>
          )}
          <Form.Item name="description" label={t('Help text')}>
            <Input.TextArea autoSize />
          </Form.Item>
        </Form>
      )}
    </Drawer>
  );
}
