// The addresses that proxies report, nearest first: X-Forwarded-For, and Forwarded (RFC 7239). Which of
// the two is believed is configured; whoever reads both lets a client write the one that its proxy does not.

import { isIP, isIPv6 } from 'node:net';

export type ForwardedHeader = 'x-forwarded-for' | 'forwarded';

/** Hops of a forwarded list that are looked at, from the nearest on. */
export const FORWARDED_HOPS_MAX = 16;
/** Commas at which the elements of a Forwarded field may begin; some lie within quotes. */
export const FORWARDED_COMMAS_MAX = 64;

/**
 * Reads a list, the fields of one name joined by commas, from its end: what a proxy has added stands
 * there, and nothing that a client wrote in front of it can change how it is read.
 * @returns one entry per hop, the nearest first: an address, or undefined where none is named
 *   (unknown, obfuscated, malformed). Ends before what breaks the grammar, and after FORWARDED_HOPS_MAX
 */
export function readForwarded(header: ForwardedHeader, value: string): (string | undefined)[] {
  return header === 'forwarded' ? readElements(value) : readAddresses(value);
}

function readAddresses(value: string): (string | undefined)[] {
  const hops: (string | undefined)[] = [];
  for (let end = value.length; end >= 0 && hops.length < FORWARDED_HOPS_MAX; ) {
    const comma = end === 0 ? -1 : value.lastIndexOf(',', end - 1);
    const address = value.slice(comma + 1, end).trim();
    // Some balancers add the client's port, as RFC 7239 writes it.
    hops.push(isIP(address) === 0 ? addressOfNode(address) : address);
    end = comma;
  }
  return hops;
}

/** One parameter of RFC 7239 4: a token, '=', a token or a quoted string; no space around '='. */
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED = '"((?:[\\t !#-[\\]-~\\x80-\\xff]|\\\\[\\t -~\\x80-\\xff])*)"';
const PAIR = new RegExp(`(${TOKEN})=(?:(${TOKEN})|${QUOTED})`, 'y');
const SEPARATOR = /[ \t]*(;|$)[ \t]*/y;

/** The shortest text behind a comma that is an element is one: a comma within quotes leaves half a quote. */
function readElements(value: string): (string | undefined)[] {
  const hops: (string | undefined)[] = [];
  let end = value.length;
  let comma = end;
  for (let commas = 0; commas < FORWARDED_COMMAS_MAX && comma >= 0; commas++) {
    comma = comma === 0 ? -1 : value.lastIndexOf(',', comma - 1);
    const element = readElement(value.slice(comma + 1, end).trim());
    if (element === undefined) continue;
    hops.push(element.address);
    if (hops.length === FORWARDED_HOPS_MAX) break;
    end = comma;
  }
  return hops;
}

/** @returns undefined for what is no element */
function readElement(text: string): { readonly address: string | undefined } | undefined {
  let node: string | undefined;
  let at = 0;
  for (let isOver = false; !isOver; ) {
    PAIR.lastIndex = at;
    const pair = PAIR.exec(text);
    SEPARATOR.lastIndex = PAIR.lastIndex;
    const separator = pair === null ? null : SEPARATOR.exec(text);
    if (pair === null || separator === null) return undefined;
    if (pair[1]?.toLowerCase() === 'for') {
      // 4: each parameter at most once per element.
      if (node !== undefined) return undefined;
      node = pair[2] ?? (pair[3] ?? '').replace(/\\(.)/g, '$1');
    }
    at = SEPARATOR.lastIndex;
    isOver = separator[1] !== ';';
  }
  return { address: node === undefined ? undefined : addressOfNode(node) };
}

/** RFC 7239 6: an IPv4 address, an IPv6 address in brackets, each with a port or an obfuscated one. */
function addressOfNode(node: string): string | undefined {
  const match = /^(?:([0-9.]+)|\[([0-9A-Fa-f:.]+)\])(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?$/.exec(
    node,
  );
  const v4 = match?.[1];
  if (v4 !== undefined) return isIP(v4) === 4 ? v4 : undefined;
  const v6 = match?.[2];
  return v6 !== undefined && isIPv6(v6) ? v6 : undefined;
}
