// Who the client is when a proxy stands in front: the last address in X-Forwarded-For that is not a
// trusted proxy's own. Everything to the left of it could have been written by the client itself.

import { BlockList, isIP } from 'node:net';
import { SluiceError } from '../base/errors.ts';

/** Hops of a forwarded list that are looked at; a longer list is not believed. */
const FORWARDED_HOPS_MAX = 16;
const MAPPED_PREFIX = '::ffff:';

export class TrustedProxies {
  readonly #list = new BlockList();
  readonly #isEmpty: boolean;

  /**
   * @param blocks addresses or CIDR blocks, e.g. '10.0.0.0/8', '::1'
   * @throws SluiceError ERR_ARG_RANGE for anything else
   */
  constructor(blocks: readonly string[]) {
    this.#isEmpty = blocks.length === 0;
    for (const block of blocks) this.#add(block);
  }

  /**
   * @param remoteAddress the peer of the connection
   * @param forwardedFor the joined X-Forwarded-For fields
   * @returns the client's address; the peer's when it is not trusted or the list is unusable
   */
  clientAddress(remoteAddress: string, forwardedFor: string | undefined): string {
    if (this.#isEmpty || forwardedFor === undefined || !this.#has(remoteAddress)) {
      return remoteAddress;
    }
    const hops = forwardedFor.split(',', FORWARDED_HOPS_MAX + 1);
    if (hops.length > FORWARDED_HOPS_MAX) return remoteAddress;
    let client = remoteAddress;
    for (let i = hops.length - 1; i >= 0; i--) {
      const hop = (hops[i] ?? '').trim();
      if (isIP(hop) === 0) return client;
      client = hop;
      if (!this.#has(hop)) return client;
    }
    return client;
  }

  #has(address: string): boolean {
    const plain = address.startsWith(MAPPED_PREFIX) ? address.slice(MAPPED_PREFIX.length) : address;
    const family = isIP(plain);
    return family !== 0 && this.#list.check(plain, family === 4 ? 'ipv4' : 'ipv6');
  }

  #add(block: string): void {
    const [address = '', prefix, ...rest] = block.split('/');
    const family = isIP(address);
    const bitsMax = family === 4 ? 32 : 128;
    const bits = prefix === undefined ? bitsMax : Number(prefix);
    const isPlain = prefix === undefined || /^[0-9]{1,3}$/.test(prefix);
    if (family === 0 || rest.length > 0 || !isPlain || bits > bitsMax) {
      throw new SluiceError('ERR_ARG_RANGE', `Not an address or a CIDR block: ${block}`);
    }
    this.#list.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6');
  }
}
