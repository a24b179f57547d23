// A role's rights on one collection, as the screen shows them and as the server stores them.
import type { Row } from '../api/client';

export const actions = ['view', 'create', 'update', 'destroy'] as const;
export type ActionName = (typeof actions)[number];

export interface Right {
  allowed: boolean;
  /** undefined: every field. */
  fields?: string[];
  scopeId?: number | null;
}
export type Rights = Record<ActionName, Right>;

/** The general rights: `view:own` means one's own records only. */
export function fromStrategy(strategy: Row | null | undefined): Record<ActionName, 'none' | 'own' | 'all'> {
  const list: string[] = strategy?.actions === '*' ? [...actions] : (strategy?.actions ?? []);
  return Object.fromEntries(
    actions.map((action) => [action, list.includes(action) ? 'all' : list.includes(`${action}:own`) ? 'own' : 'none']),
  ) as Record<ActionName, 'none' | 'own' | 'all'>;
}

export function toStrategy(before: Row | null | undefined, rights: Record<ActionName, 'none' | 'own' | 'all'>): Row {
  const given: string[] = before?.actions === '*' ? [] : (before?.actions ?? []);
  // Rights that this screen does not show (export, ...) stay.
  const others = given.filter((one) => !actions.includes(one.replace(/:own$/, '') as ActionName));
  return {
    ...before,
    actions: [
      ...actions.filter((one) => rights[one] !== 'none').map((one) => (rights[one] === 'own' ? `${one}:own` : one)),
      ...others,
    ],
  };
}

export function fromResource(resource: Row | undefined): Rights {
  return Object.fromEntries(
    actions.map((name) => {
      const action = (resource?.actions ?? []).find((one: Row) => one.name === name);
      return [
        name,
        {
          allowed: !!action,
          fields: action?.fields?.length ? action.fields : undefined,
          scopeId: action?.scopeId ?? null,
        },
      ];
    }),
  ) as Rights;
}

export function toActions(rights: Rights): Row[] {
  return actions
    .filter((name) => rights[name].allowed)
    .map((name) => ({
      name,
      fields: rights[name].fields ?? [],
      ...(rights[name].scopeId ? { scopeId: rights[name].scopeId } : {}),
    }));
}
