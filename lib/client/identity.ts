// Random names: request ids and the session that a browser tab keeps over a reload.
// randomUUID() is missing on pages that are not served securely, so the bytes are drawn here.

const SESSION_KEY = 'sluice.session';

/** What the client needs of sessionStorage. */
export interface ClientStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** A random UUID (version 4). */
export function uuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
}

/** What the client needs of a browser's window. */
export interface PageEvents {
  addEventListener?(name: 'pagehide' | 'pageshow', listener: () => void): void;
}

/**
 * The session id of this tab. It leaves the storage while the page lives and goes back when the page is
 * left: a tab that is duplicated copies the storage, and must not replace the one it was copied from.
 */
export function takeSession(storage: ClientStorage | undefined, page: PageEvents): string {
  if (storage === undefined) return uuid();
  const session = storage.getItem(SESSION_KEY) ?? uuid();
  if (page.addEventListener === undefined) {
    storage.setItem(SESSION_KEY, session);
    return session;
  }
  storage.removeItem(SESSION_KEY);
  page.addEventListener('pagehide', () => storage.setItem(SESSION_KEY, session));
  page.addEventListener('pageshow', () => storage.removeItem(SESSION_KEY));
  return session;
}
