// The addresses that proxies report, nearest first: X-Forwarded-For, and Forwarded (RFC 7239). Which of
// the two is believed is configured; whoever reads both lets a client write the one that its proxy does not.

import { isIP, isIPv6 } from 'node:net';

export type ForwardedHeader = 'x-forwarded-for' | 'forwarded';

/** Hops of a forwarded list that are looked at; a longer list is not believed. */
export const FORWARDED_HOPS_MAX = 16;

/**
 * Reads a list, the fields of one name joined by commas.
 * @returns one entry per hop, the nearest first: an address, or undefined where none is named
 *   (unknown, obfuscated, malformed). undefined when the list as a whole breaks the grammar or has
 *   more than FORWARDED_HOPS_MAX hops
 */
export function readForwarded(
  header: ForwardedHeader,
  value: string,
): (string | undefined)[] | undefined {
  const hops = header === 'forwarded' ? readElements(value) : readAddresses(value);
  return hops?.reverse();
}

function readAddresses(value: string): (string | undefined)[] | undefined {
  const hops = value.split(',', FORWARDED_HOPS_MAX + 1);
  if (hops.length > FORWARDED_HOPS_MAX) return undefined;
  return hops.map((hop) => {
    const address = hop.trim();
    return isIP(address) === 0 ? undefined : address;
  });
}

/** One parameter of RFC 7239 4: a token, '=', a token or a quoted string; no space around '='. */
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED = '"((?:[\\t !#-[\\]-~\\x80-\\xff]|\\\\[\\t -~\\x80-\\xff])*)"';
const PAIR = new RegExp(`(${TOKEN})=(?:(${TOKEN})|${QUOTED})`, 'y');
const SEPARATOR = /[ \t]*([;,]|$)[ \t]*/y;

function readElements(value: string): (string | undefined)[] | undefined {
  const hops: (string | undefined)[] = [];
  let at = 0;
  let node: string | undefined;
  let hasNode = false;
  while (at < value.length) {
    PAIR.lastIndex = at;
    const pair = PAIR.exec(value);
    SEPARATOR.lastIndex = PAIR.lastIndex;
    const separator = pair === null ? null : SEPARATOR.exec(value);
    if (pair === null || separator === null) return undefined;
    if (pair[1]?.toLowerCase() === 'for') {
      // 4: each parameter at most once per element.
      if (hasNode) return undefined;
      hasNode = true;
      node = addressOfNode(pair[2] ?? (pair[3] ?? '').replace(/\\(.)/g, '$1'));
    }
    at = SEPARATOR.lastIndex;
    if (separator[1] === ';') continue;
    hops.push(node);
    if (hops.length > FORWARDED_HOPS_MAX) return undefined;
    node = undefined;
    hasNode = false;
  }
  // A list must not be empty, nor end in a separator.
  return /[;,][ \t]*$/.test(value) || hops.length === 0 ? undefined : hops;
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
