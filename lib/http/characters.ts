// Which bytes may stand where (RFC 9110 5.6.2 and 5.5, RFC 3986), as tables of 256 entries.

const TOKEN_PUNCTUATION = "!#$%&'*+-.^_`|~";
/** Never in a target on the wire: delimiters that every URL writer encodes, and the fragment. */
const TARGET_EXCLUDED = '"<>#';
/** Of a host beside letters and digits: unreserved, sub-delims and '%' of RFC 3986 3.2.2. */
const HOST_PUNCTUATION = "-._~!$&'()*+,;=%";

export const CR = 0x0d;
export const LF = 0x0a;
export const SP = 0x20;
export const HTAB = 0x09;
export const COLON = 0x3a;

/** A token's byte in lower case; 0 for a byte that no token has. */
export const TOKEN_LOWER = tableOf((code) => {
  if (isAlphanumeric(code)) return code >= 0x41 && code <= 0x5a ? code | 0x20 : code;
  return TOKEN_PUNCTUATION.includes(String.fromCharCode(code)) ? code : 0;
});

/** 1 for what a field value may have: VCHAR, obs-text, space and tab. */
export const FIELD_VALUE = tableOf((code) =>
  code === HTAB || (code >= SP && code !== 0x7f) ? 1 : 0,
);

/**
 * 1 for what a request target may have. Browsers send some bytes raw that RFC 3986 would encode.
 */
export const TARGET = tableOf((code) =>
  code > SP && code < 0x7f && !TARGET_EXCLUDED.includes(String.fromCharCode(code)) ? 1 : 0,
);

/** The value of a hexadecimal digit plus one; 0 for everything else. */
export const HEX_PLUS_ONE = tableOf((code) => {
  if (code >= 0x30 && code <= 0x39) return code - 0x30 + 1;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 11 : 0;
});

const HOST = tableOf((code) =>
  isAlphanumeric(code) || HOST_PUNCTUATION.includes(String.fromCharCode(code)) ? 1 : 0,
);
const IP_LITERAL = /^\[[0-9A-Fa-f:.]{2,45}\]$/;
const PORT = /^[0-9]{0,5}$/;
const PORT_MAX = 65_535;
const BAD_PERCENT = /%(?![0-9A-Fa-f]{2})/;
const HOST_LENGTH_MAX = 255;

/** True for `uri-host [":" port]` with a host that is not empty (RFC 9112 3.2). */
export function isAuthority(text: string): boolean {
  const colon = text.startsWith('[') ? text.indexOf(':', text.indexOf(']')) : text.indexOf(':');
  const host = colon === -1 ? text : text.slice(0, colon);
  if (colon !== -1) {
    const port = text.slice(colon + 1);
    if (!PORT.test(port) || Number(port) > PORT_MAX) return false;
  }
  if (host.startsWith('[')) return IP_LITERAL.test(host);
  if (host === '' || host.length > HOST_LENGTH_MAX || BAD_PERCENT.test(host)) return false;
  for (let i = 0; i < host.length; i++) {
    const code = host.charCodeAt(i);
    if (code > 0x7f || HOST[code] === 0) return false;
  }
  return true;
}

/** True for a token: method or field name. */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f || TOKEN_LOWER[code] === 0) return false;
  }
  return text !== '';
}

/** True when a field value may go out as it is: latin1, no control character but the tab. */
export function isFieldValue(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff || FIELD_VALUE[code] === 0) return false;
  }
  return true;
}

function isAlphanumeric(code: number): boolean {
  const lower = code | 0x20;
  return (code >= 0x30 && code <= 0x39) || (lower >= 0x61 && lower <= 0x7a);
}

function tableOf(entry: (code: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => entry(code));
}
