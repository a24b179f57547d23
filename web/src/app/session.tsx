// Who is signed in, what the role may do, the data model and the menu: loaded together, side by side.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, useCallback, useContext, useMemo } from 'react';
import { api, call, type Row, storage } from '../api/client';
import type { Collection, Field } from '../model/collections';

export interface MenuItem {
  id: number;
  parentId?: number | null;
  title: string;
  icon?: string | null;
  type: 'page' | 'group' | 'link';
  schemaUid?: string | null;
  options?: Row | null;
  hideInMenu?: boolean;
  children?: MenuItem[];
}

export interface Session {
  user: Row;
  role: string;
  roles: Row[];
  roleMode: string;
  allowAll: boolean;
  /** May change pages and the menu. */
  configure: boolean;
  /** May reach this part of the administration, e.g. `pm.users`. */
  holds(snippet: string): boolean;
  collections: Collection[];
  collection(name: string | undefined): Collection | undefined;
  can(
    collection: string,
    action: 'create' | 'view' | 'update' | 'destroy' | 'export' | 'importXlsx',
    field?: string,
  ): boolean;
  menu: MenuItem[];
  reload(...what: ('model' | 'menu' | 'user')[]): Promise<void>;
}

const Context = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(Context);
  if (!session) throw new Error('outside of a session');
  return session;
}

/** A pattern with stars, as snippets of roles are. */
export function globMatch(pattern: string, text: string): boolean {
  const source = pattern
    .split('*')
    .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
  return new RegExp(`^${source}$`).test(text);
}

export function holdsSnippet(patterns: string[], name: string): boolean {
  let held = false;
  for (const one of patterns) {
    const denies = one.startsWith('!');
    if (!globMatch(denies ? one.slice(1) : one, name)) continue;
    if (denies) return false;
    held = true;
  }
  return held;
}

interface Rights {
  role: string;
  snippets: string[];
  allowAll: boolean;
  roleMode: string;
  resources: string[];
  actions: Record<string, { whitelist?: string[]; fields?: string[]; filter?: unknown }>;
  strategy: { actions?: string[] | string };
}

/** What roles:check says, asked for one action. */
export function isAllowed(rights: Rights, collection: string, action: string, field?: string): boolean {
  if (rights.allowAll) return true;
  if (rights.resources.includes(collection)) {
    const right = rights.actions[`${collection}:${action}`];
    if (!right) return false;
    const fields = right.whitelist ?? right.fields;
    return !field || !fields || fields.includes(field);
  }
  const general = rights.strategy.actions ?? [];
  if (typeof general === 'string') return general === '*';
  return general.some((one) => one === action || one.startsWith(`${action}:`));
}

const minute = 60_000;

export function useSessionQueries(enabled: boolean) {
  const role = storage.get('role');
  const options = { enabled, staleTime: 5 * minute, retry: false };
  const user = useQuery({
    queryKey: ['session', 'user'],
    queryFn: async () => (await call('auth:check')).data,
    ...options,
  });
  const rights = useQuery({
    queryKey: ['session', 'rights', role],
    queryFn: async () => (await call<Rights>('roles:check')).data,
    ...options,
  });
  const model = useQuery({
    queryKey: ['session', 'model'],
    queryFn: async () => (await call<Collection[]>('collections:listMeta')).data,
    ...options,
  });
  const menu = useQuery({
    queryKey: ['session', 'menu', role],
    queryFn: async () =>
      (await call<MenuItem[]>('desktopRoutes:listAccessible', { params: { tree: true, sort: 'sort' } })).data,
    ...options,
  });
  return { user, rights, model, menu };
}

export function SessionProvider({
  queries,
  children,
}: {
  queries: ReturnType<typeof useSessionQueries>;
  children: ReactNode;
}) {
  const client = useQueryClient();
  const user = queries.user.data!;
  const rights = queries.rights.data!;
  const collections = queries.model.data!;
  const menu = queries.menu.data!;

  const reload = useCallback(
    async (...what: ('model' | 'menu' | 'user')[]) => {
      const keys = what.flatMap((one) => (one === 'user' ? ['user', 'rights'] : [one]));
      await Promise.all(keys.map((key) => client.invalidateQueries({ queryKey: ['session', key] })));
    },
    [client],
  );

  const session = useMemo<Session>(() => {
    const byName = new Map(collections.map((one) => [one.name, withKey(one)]));
    const holds = (snippet: string) => rights.allowAll || holdsSnippet(rights.snippets, snippet);
    return {
      user,
      role: rights.role,
      roles: user.roles ?? [],
      roleMode: rights.roleMode,
      allowAll: rights.allowAll,
      configure: holds('ui.pages') && holds('ui.desktopRoutes'),
      holds,
      collections: [...byName.values()],
      collection: (name) => (name ? byName.get(name) : undefined),
      can: (collection, action, field) => {
        const refused = byName.get(collection)?.unavailableActions?.includes(action);
        return !refused && isAllowed(rights, collection, action, field);
      },
      menu,
      reload,
    };
  }, [user, rights, collections, menu, reload]);
  return <Context.Provider value={session}>{children}</Context.Provider>;
}

/** The implicit key is no field of the definition, but people want to see it and filter by it. */
function withKey(collection: Collection): Collection {
  const key = collection.filterTargetKey;
  if (typeof key !== 'string' || collection.fields.some((field) => field.name === key)) return collection;
  const field: Field = {
    name: key,
    type: 'bigInt',
    interface: 'id',
    primaryKey: true,
    autoIncrement: true,
    uiSchema: { title: 'ID' },
  };
  return { ...collection, fields: [field, ...collection.fields] };
}

/** Roles of the signed-in user, for the role switch. */
export function useMyRoles(userId: unknown) {
  return useQuery({
    queryKey: ['session', 'roles', userId],
    queryFn: () => api.all(`users/${userId}/roles`),
    staleTime: 5 * minute,
    retry: false,
  });
}
