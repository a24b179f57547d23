// NocoBase's own SDK client, as its users make it.
import { APIClient } from '@nocobase/sdk';
import assert from 'node:assert/strict';

export type Row = Record<string, any>;

export async function signedIn(url: string, account = 'nocobase', password = 'admin123'): Promise<APIClient> {
  const api = new APIClient({ baseURL: `${url}/api`, storageType: 'memory' });
  await api.auth.signIn({ account, password });
  return api;
}

/** What an action answered: its `data`. */
export async function data(request: Promise<any>): Promise<any> {
  return (await request).data.data;
}

/** Expects a refusal with this status and code; gives the first error. */
export async function refused(request: Promise<unknown>, status: number, code: string): Promise<Row> {
  try {
    await request;
  } catch (error) {
    const response = (error as { response?: { status: number; data: { errors: Row[] } } }).response;
    assert.ok(response, String(error));
    assert.equal(response.status, status, JSON.stringify(response.data));
    assert.equal(response.data.errors[0].code, code, JSON.stringify(response.data));
    assert.ok(response.data.errors[0].message.length > 0);
    return response.data.errors[0];
  }
  assert.fail(`expected ${status} ${code}, but it succeeded`);
}
