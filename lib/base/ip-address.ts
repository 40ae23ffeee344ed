// IP addresses as keys: 32 hexadecimal digits, IPv4 inside IPv6 (::ffff:0:0/96), so that one address has
// one key however it was written, and a prefix of the address is a prefix of the key.

import { isIP, isIPv4 } from 'node:net';
import { SluiceError } from './errors.ts';

const MAPPED = '00000000000000000000ffff';
const KEY_BITS = 128;
const MAPPED_BITS = 96;
const GROUPS = 8;
/** Bytes of an encoded block: its bits, its address. */
const BLOCK_BYTES = 1 + KEY_BITS / 8;

/** The key of an address in text form, a zone id ignored; undefined when it is none. */
export function ipKey(text: string): string | undefined {
  const family = isIP(text);
  if (family === 4) return MAPPED + hexOfIpv4(text);
  return family === 6 ? keyOfIpv6(text) : undefined;
}

/** True for the key of an IPv4 address. */
export function isIpv4Key(key: string): boolean {
  return key.startsWith(MAPPED);
}

/** The leading `bits` of a key, 0 to 128, as hexadecimal digits. */
export function prefixOfKey(key: string, bits: number): string {
  const whole = bits >> 2;
  const rest = bits & 3;
  if (rest === 0) return key.slice(0, whole);
  const digit = Number.parseInt(key.charAt(whole), 16) & (0xf0 >> rest);
  return key.slice(0, whole) + digit.toString(16);
}

/** True for 127.0.0.0/8 and ::1. */
export function isLoopbackKey(key: string): boolean {
  return key.startsWith(`${MAPPED}7f`) || key === LOOPBACK_V6;
}

export interface AddressBlock {
  readonly key: string;
  /** 0 to 128, counted in IPv6. */
  readonly bits: number;
}

/**
 * Parses an address or a CIDR block, e.g. '10.0.0.0/8', '::1'; bits behind the prefix are ignored.
 * @throws SluiceError ERR_ARG_RANGE for anything else
 */
export function parseBlock(text: string): AddressBlock {
  const slash = text.indexOf('/');
  const address = slash === -1 ? text : text.slice(0, slash);
  const digits = slash === -1 ? undefined : text.slice(slash + 1);
  const key = address.includes('%') ? undefined : ipKey(address);
  const isV4 = isIPv4(address);
  const bitsMax = isV4 ? KEY_BITS - MAPPED_BITS : KEY_BITS;
  const bits = digits === undefined ? bitsMax : Number(digits);
  const isPlain = digits === undefined || /^[0-9]{1,3}$/.test(digits);
  if (key === undefined || !isPlain || bits > bitsMax) {
    throw new SluiceError('ERR_ARG_RANGE', `Not an address or a CIDR block: ${text}`);
  }
  return { key, bits: isV4 ? MAPPED_BITS + bits : bits };
}

/** A set of blocks. A look-up costs one step per different prefix length, not per block. */
export class AddressSet {
  /** By prefix length. */
  readonly #prefixes = new Map<number, Set<string>>();
  readonly #blocks: readonly AddressBlock[];

  /** @throws SluiceError ERR_ARG_RANGE for what is no block */
  constructor(blocks: readonly string[]) {
    this.#blocks = blocks.map(parseBlock);
    for (const { key, bits } of this.#blocks) {
      const prefix = prefixOfKey(key, bits);
      const set = this.#prefixes.get(bits);
      if (set === undefined) this.#prefixes.set(bits, new Set([prefix]));
      else set.add(prefix);
    }
  }

  get isEmpty(): boolean {
    return this.#blocks.length === 0;
  }

  hasKey(key: string): boolean {
    for (const [bits, set] of this.#prefixes) {
      if (set.has(prefixOfKey(key, bits))) return true;
    }
    return false;
  }

  /** @param address in text form; what is no address is in no set */
  has(address: string): boolean {
    if (this.isEmpty) return false;
    const key = ipKey(address);
    return key !== undefined && this.hasKey(key);
  }

  /** The blocks as the engine takes them: 17 bytes each, the bits and the address. */
  encode(): Buffer {
    const bytes = Buffer.alloc(this.#blocks.length * BLOCK_BYTES);
    for (const [index, { key, bits }] of this.#blocks.entries()) {
      bytes[index * BLOCK_BYTES] = bits;
      bytes.write(key, index * BLOCK_BYTES + 1, 'hex');
    }
    return bytes;
  }
}

function hexOfIpv4(text: string): string {
  let hex = '';
  for (const part of text.split('.')) hex += Number(part).toString(16).padStart(2, '0');
  return hex;
}

/** @param text that isIP has found to be IPv6 */
function keyOfIpv6(text: string): string {
  const zone = text.indexOf('%');
  const address = zone === -1 ? text : text.slice(0, zone);
  const gap = address.indexOf('::');
  if (gap === -1) return groupsOf(address);
  const head = groupsOf(address.slice(0, gap));
  const tail = groupsOf(address.slice(gap + 2));
  return head + '0'.repeat(GROUPS * 4 - head.length - tail.length) + tail;
}

/** The digits of groups between colons; the last one may be an IPv4 address. */
function groupsOf(text: string): string {
  if (text === '') return '';
  let hex = '';
  for (const group of text.split(':')) {
    hex += group.includes('.') ? hexOfIpv4(group) : group.toLowerCase().padStart(4, '0');
  }
  return hex;
}

const LOOPBACK_V6 = keyOfIpv6('::1');

/** True for localhost, 127.0.0.0/8 and ::1, the latter also in brackets. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.startsWith('[') ? host.slice(1, -1) : host;
  if (bare.toLowerCase() === 'localhost' || bare === '::1') return true;
  return isIP(bare) === 4 && bare.startsWith('127.');
}
