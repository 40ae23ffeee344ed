// Which web pages may open a socket (RFC 6455 10.2). A browser says in Origin whose page it shows and
// cannot be talked into another; whoever is no browser can write anything, or nothing.

import { SluiceError } from '../../base/errors.ts';

export class OriginList {
  readonly #origins: ReadonlySet<string>;

  /**
   * @param origins serialized as browsers send them, e.g. 'https://desk.example', or 'null'
   * @throws SluiceError ERR_ARG_RANGE for anything else: a path, a trailing slash, a default port
   */
  constructor(origins: readonly string[]) {
    for (const origin of origins) {
      if (isSerialized(origin)) continue;
      throw new SluiceError('ERR_ARG_RANGE', `Not an origin: ${JSON.stringify(origin)}`);
    }
    this.#origins = new Set(origins);
  }

  /** @param origin the value of the field, byte for byte (RFC 6454 7.3) */
  has(origin: string): boolean {
    return this.#origins.has(origin);
  }
}

/** Schemes of which URL knows no origin (app://…, chrome-extension://…) count as they are written. */
function isSerialized(text: string): boolean {
  if (text === 'null') return true;
  if (!URL.canParse(text)) return false;
  const { origin } = new URL(text);
  return origin === 'null' ? /^[a-z][a-z0-9+.-]*:\/\/[^/?#]+$/.test(text) : origin === text;
}
