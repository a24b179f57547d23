// The one way to the server: `api.list('orders', {...})`, `api.call('pages:save', {...})`.
//
// Every write carries an Idempotency-Key, so it may be sent again when a replica dies or a connection breaks:
// the server does it once and answers alike. Reads and writes are therefore repeated, unnoticed, for up to 30 s.
import { ApiError, type ErrorEntry } from './errors';

export type Row = Record<string, any>;
export interface ListMeta {
  count?: number;
  page?: number;
  pageSize?: number;
  totalPage?: number;
  hasNext?: boolean;
}
export interface Answer<T> {
  data: T;
  meta?: ListMeta & Row;
}

export const storage = {
  get: (key: string) => localStorage.getItem(`halcyon.${key}`) ?? '',
  set: (key: string, value: string) =>
    value ? localStorage.setItem(`halcyon.${key}`, value) : localStorage.removeItem(`halcyon.${key}`),
};

const base = '/api/';
const patience = 30_000;
let onSignedOut: () => void = () => {};

/** Called when the server says that the session is over. */
export function whenSignedOut(handler: () => void) {
  onSignedOut = handler;
}

function timeZone(): string {
  const minutes = -new Date().getTimezoneOffset();
  const sign = minutes < 0 ? '-' : '+';
  const two = (n: number) => String(Math.floor(Math.abs(n))).padStart(2, '0');
  return `${sign}${two(minutes / 60)}:${two(Math.abs(minutes) % 60)}`;
}

function headers(key?: string): Record<string, string> {
  const list: Record<string, string> = { 'X-Timezone': timeZone(), 'X-Locale': storage.get('locale') || 'en-US' };
  const token = storage.get('token');
  const role = storage.get('role');
  if (token) list.Authorization = `Bearer ${token}`;
  if (role && token) list['X-Role'] = role;
  if (key) list['Idempotency-Key'] = key;
  return list;
}

function queryString(params: Row): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value === undefined || value === null || value === '') continue;
    if (Array.isArray(value)) {
      if (value.length && typeof value[0] === 'object') query.set(key, JSON.stringify(value));
      else for (const item of value) query.append(`${key}[]`, String(item));
    } else query.set(key, typeof value === 'object' ? JSON.stringify(value) : String(value));
  }
  const text = query.toString();
  return text ? `?${text}` : '';
}

async function read(response: Response): Promise<any> {
  const text = await response.text();
  if (!text) return {};
  try {
    return JSON.parse(text);
  } catch {
    return { errors: [{ code: `HTTP_${response.status}`, message: text.slice(0, 200) }] };
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Sends until there is an answer; a lost connection or 502, 503, 504 is tried again with growing pauses. */
async function send(url: string, init: RequestInit): Promise<Response> {
  const until = Date.now() + patience;
  for (let wait = 150; ; wait = Math.min(wait * 2, 2000)) {
    try {
      const response = await fetch(url, init);
      if (![502, 503, 504].includes(response.status) || Date.now() + wait > until) return response;
    } catch (error) {
      if (init.signal?.aborted || Date.now() + wait > until) {
        throw init.signal?.aborted ? error : new ApiError(0, [{ code: 'NO_CONNECTION', message: String(error) }]);
      }
    }
    await pause(wait + Math.random() * 100);
  }
}

export interface CallOptions {
  params?: Row;
  values?: unknown;
  signal?: AbortSignal;
  /** Given by callers that may repeat a write themselves. */
  key?: string;
}

/** `resource:action`, or a path such as `customers/5/orders:list`. GET unless there are `values`. */
export async function call<T = any>(path: string, options: CallOptions = {}): Promise<Answer<T>> {
  const writes = options.values !== undefined;
  const init: RequestInit = { signal: options.signal };
  if (writes) {
    init.method = 'POST';
    init.body = JSON.stringify(options.values);
    init.headers = { ...headers(options.key ?? crypto.randomUUID()), 'Content-Type': 'application/json' };
  } else init.headers = headers();
  const response = await send(base + path + queryString(options.params ?? {}), init);
  const renewed = response.headers.get('x-new-token');
  if (renewed) storage.set('token', renewed);
  const body = await read(response);
  if (response.ok) return body;
  const errors: ErrorEntry[] = body.errors ?? [{ code: `HTTP_${response.status}`, message: response.statusText }];
  const error = new ApiError(response.status, errors);
  if (response.status === 401 && storage.get('token') && path !== 'auth:signIn') {
    if (error.code.startsWith('ROLE_NOT_FOUND')) storage.set('role', '');
    else storage.set('token', '');
    onSignedOut();
  }
  throw error;
}

const tk = (id: unknown) => (typeof id === 'object' ? JSON.stringify(id) : id);

export const api = {
  call,
  list: <T = Row>(resource: string, params: Row = {}, signal?: AbortSignal) =>
    call<T[]>(`${resource}:list`, { params, signal }),
  all: async <T = Row>(resource: string, params: Row = {}, signal?: AbortSignal) =>
    (await call<T[]>(`${resource}:list`, { params: { ...params, paginate: false }, signal })).data,
  get: async <T = Row>(resource: string, id: unknown, params: Row = {}, signal?: AbortSignal) =>
    (await call<T>(`${resource}:get`, { params: { ...params, filterByTk: tk(id) }, signal })).data,
  create: async <T = Row>(resource: string, values: unknown, params: Row = {}) =>
    (await call<T>(`${resource}:create`, { values, params })).data,
  update: async <T = Row>(resource: string, id: unknown, values: unknown, params: Row = {}) =>
    (await call<T>(`${resource}:update`, { values, params: { ...params, filterByTk: tk(id) } })).data,
  destroy: async (resource: string, id: unknown, params: Row = {}) =>
    (
      await call(`${resource}:destroy`, {
        values: {},
        params: { ...params, filterByTk: Array.isArray(id) ? JSON.stringify(id) : tk(id) },
      })
    ).data,
};
