// Sec-WebSocket-Extensions as a pure function (RFC 6455 section 9.1): what a client offers, in its order.
//
//   permessage-deflate; client_max_window_bits; server_max_window_bits="10", permessage-deflate

/** One parameter of an offer. */
export interface ExtensionParameter {
  readonly name: string;
  /** undefined: the parameter came without a value. */
  readonly value: string | undefined;
}

export interface ExtensionOffer {
  readonly name: string;
  readonly parameters: readonly ExtensionParameter[];
}

/** RFC 9110 section 5.6.2. */
const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const SPACE = /[ \t]*/y;
/** What stands in quotes must be a token once its backslashes are gone. */
const QUOTED = /"((?:\\?[!#$%&'*+\-.^_`|~0-9A-Za-z])+)"/y;

/**
 * Parses the field's value; repeated fields are joined by commas first.
 * @returns the offers in order, none for an absent field; undefined when it is not well-formed: the
 *   handshake must fail then
 */
export function parseExtensions(value: string | undefined): readonly ExtensionOffer[] | undefined {
  if (value === undefined) return [];
  const scanner = new Scanner(value);
  const offers: ExtensionOffer[] = [];
  for (;;) {
    // Empty members of a list mean nothing (RFC 9110 section 5.6.1).
    while (scanner.skip(','));
    if (scanner.isAtEnd) break;
    const offer = readOffer(scanner);
    if (offer === undefined) return undefined;
    offers.push(offer);
    if (!scanner.isAtEnd && !scanner.skip(',')) return undefined;
  }
  return offers.length === 0 ? undefined : offers;
}

function readOffer(scanner: Scanner): ExtensionOffer | undefined {
  const name = scanner.match(TOKEN);
  if (name === undefined) return undefined;
  const parameters: ExtensionParameter[] = [];
  while (scanner.skip(';')) {
    const parameter = scanner.match(TOKEN);
    if (parameter === undefined) return undefined;
    const hasValue = scanner.skip('=');
    const value = hasValue ? readValue(scanner) : undefined;
    if (hasValue && value === undefined) return undefined;
    parameters.push({ name: parameter, value });
  }
  return { name, parameters };
}

function readValue(scanner: Scanner): string | undefined {
  return scanner.match(TOKEN) ?? scanner.match(QUOTED)?.replaceAll('\\', '');
}

class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#pass(SPACE);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#text.length;
  }

  /** Passes over a character and the spaces behind it, if it is the next one. */
  skip(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    this.#pass(SPACE);
    return true;
  }

  /** Passes over a match and the spaces behind it. @returns its first group, or all of it */
  match(pattern: RegExp): string | undefined {
    const match = this.#pass(pattern);
    if (match === null) return undefined;
    this.#pass(SPACE);
    return match[1] ?? match[0];
  }

  #pass(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at = pattern.lastIndex;
    return match;
  }
}
