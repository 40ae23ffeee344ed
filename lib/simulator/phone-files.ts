// The phone page's few files, beside this module in the sources as in the build.

import { readFile } from 'node:fs/promises';

export interface PhoneFile {
  readonly type: string;
  readonly bytes: Buffer;
}

const FILES: Readonly<Record<string, string>> = {
  'index.html': 'text/html; charset=utf-8',
  'phone.css': 'text/css; charset=utf-8',
  'phone.js': 'text/javascript; charset=utf-8',
  'bubbles.js': 'text/javascript; charset=utf-8',
  'words.js': 'text/javascript; charset=utf-8',
};

/** No third party's code; pictures of the web, since customers send links to them. */
export const PHONE_HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self' ws:",
    "img-src 'self' https: http: data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-store',
};

const FOLDER = new URL('./phone/', import.meta.url);

/** @param name '' is the page itself; undefined is answered for every other name */
export async function readPhoneFile(name: string): Promise<PhoneFile | undefined> {
  const file = name === '' ? 'index.html' : name;
  const type = Object.hasOwn(FILES, file) ? FILES[file] : undefined;
  if (type === undefined) return undefined;
  return { type, bytes: await readFile(new URL(file, FOLDER)) };
}
