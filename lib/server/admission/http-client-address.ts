// Who the client is when a proxy stands in front: the last address in the forwarded list that is not a
// trusted proxy's own. Everything to the left of it could have been written by the client itself.

import { AddressSet } from '../../base/ip-address.ts';
import { type ForwardedHeader, readForwarded } from './forwarded.ts';

const UNIX = 'unix';

export class TrustedProxies {
  /** The one field that is believed, in lower case. */
  readonly header: ForwardedHeader;
  readonly #set: AddressSet;
  readonly #trustsUnix: boolean;

  /**
   * @param blocks addresses or CIDR blocks, e.g. '10.0.0.0/8', '::1'; 'unix' for whoever connects to
   *   a Unix socket
   * @throws SluiceError ERR_ARG_RANGE for anything else
   */
  constructor(blocks: readonly string[], header: ForwardedHeader = 'x-forwarded-for') {
    this.#set = new AddressSet(blocks.filter((block) => block !== UNIX));
    this.#trustsUnix = blocks.includes(UNIX);
    this.header = header;
  }

  get isEmpty(): boolean {
    return this.#set.isEmpty && !this.#trustsUnix;
  }

  /** Whether an address is a trusted proxy's; the peer of a Unix socket has an empty one. */
  trusts(address: string): boolean {
    return address === '' ? this.#trustsUnix : this.#set.has(address);
  }

  /** The blocks as the engine takes them: AddressSet.encode(). */
  encode(): Uint8Array {
    return this.#set.encode();
  }

  /**
   * @param remoteAddress the peer of the connection
   * @param forwarded the joined fields named `header`
   * @returns the client's address; the nearest known proxy's when nothing more is told, the peer's when it
   *   is not trusted
   */
  clientAddress(remoteAddress: string, forwarded: string | undefined): string {
    if (forwarded === undefined || !this.trusts(remoteAddress)) return remoteAddress;
    let client = remoteAddress;
    for (const hop of readForwarded(this.header, forwarded)) {
      if (hop === undefined) return client;
      client = hop;
      if (!this.trusts(hop)) return client;
    }
    return client;
  }
}
