// Related records edited in place, as rows of a small table inside of a form.
import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Button } from 'antd';
import { useTranslation } from 'react-i18next';
import type { Row } from '../api/client';
import { useSession } from '../app/session';
import { defaultFields } from '../blocks/defaults';
import { type Field, fieldTitle, isReadOnly, kindOf } from '../model/collections';
import { FieldInput } from './FieldInput';

export default function SubTable({
  field,
  value,
  onChange,
}: {
  field: Field;
  value?: Row[];
  onChange?: (rows: Row[]) => void;
}) {
  const { t } = useTranslation();
  const session = useSession();
  const target = session.collection(field.target);
  if (!target) return null;
  const columns = defaultFields(target, 'form')
    .map((entry) => target.fields.find((one) => one.name === entry.name)!)
    .filter(
      (one) =>
        !isReadOnly(one) &&
        kindOf(one) !== 'toMany' &&
        !(one.target === field.collectionName && one.foreignKey === field.foreignKey),
    )
    .slice(0, 6);
  const rows = value ?? [];
  const set = (index: number, name: string, next: unknown) =>
    onChange?.(rows.map((row, i) => (i === index ? { ...row, [name]: next } : row)));
  return (
    <div className="sub-table">
      <table>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.name} scope="col">
                {fieldTitle(column)}
              </th>
            ))}
            <th>
              <span className="sr-only">{t('Actions')}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={index}>
              {columns.map((column) => (
                <td key={column.name}>
                  <FieldInput
                    compact
                    aria-label={fieldTitle(column)}
                    field={column}
                    value={row[column.name]}
                    onChange={(next) => set(index, column.name, next)}
                  />
                </td>
              ))}
              <td>
                <Button
                  type="text"
                  icon={<DeleteOutlined />}
                  aria-label={t('Remove this row')}
                  onClick={() => onChange?.(rows.filter((_, i) => i !== index))}
                />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <Button type="dashed" icon={<PlusOutlined />} onClick={() => onChange?.([...rows, {}])}>
        {t('Add a row')}
      </Button>
    </div>
  );
}
