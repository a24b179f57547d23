// What went wrong, in words for the person at the screen.
import { i18n } from '../i18n';

export interface ErrorEntry {
  code?: string;
  message: string;
  field?: string;
  expected?: string;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly errors: ErrorEntry[],
  ) {
    super(errors[0]?.message ?? `HTTP ${status}`);
    this.name = 'ApiError';
  }
  get code(): string {
    return this.errors[0]?.code ?? `HTTP_${this.status}`;
  }
}

// Codes that many people meet; the others are shown in the server's own words.
const known: Record<string, string> = {
  NO_CONNECTION: 'The server does not answer. Check your connection and try again.',
  INVALID_CREDENTIALS: 'The account or the password is wrong.',
  TOO_MANY_SIGN_INS: 'Too many failed sign-ins. Please wait a while and try again.',
  NO_PERMISSION: 'Your role may not do this.',
  OUT_OF_SCOPE: 'Your role may not make or change such a record.',
  UNIQUE_VIOLATION: 'Another record has this value already; it must be unique.',
  DELETE_RESTRICTED: 'This record cannot be deleted because others refer to it.',
  PAGE_CHANGED: 'Somebody else has changed this page meanwhile. Reload it to see their changes.',
  PAGE_NOT_FOUND: 'There is no such page, or you may not see it.',
  SIGN_UP_DISABLED: 'Signing up is switched off.',
  FIELD_NOT_WRITABLE: 'Your role may not change this field.',
  OVERLOADED: 'The server is very busy. Please try again in a moment.',
  PROTECTED_RECORD: 'This record is needed by the system and cannot be deleted.',
};

/** One sentence for one entry. */
export function entryText(entry: ErrorEntry): string {
  const text = entry.code && known[entry.code] ? i18n.t(known[entry.code]) : entry.message;
  return entry.expected && !known[entry.code ?? ''] ? `${text} (${entry.expected})` : text;
}

export function errorText(error: unknown): string {
  if (error instanceof ApiError) return [...new Set(error.errors.map(entryText))].join(' ');
  return error instanceof Error ? error.message : String(error);
}
