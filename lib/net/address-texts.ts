// One string for each address: thousands of connections come from one proxy, or one network behind NAT.

/** Addresses that are known; with one more, all are forgotten. */
export const ADDRESS_TEXTS_MAX = 4096;

export class AddressTexts {
  readonly #known = new Map<string, string>();

  /** Addresses that are known now. */
  get size(): number {
    return this.#known.size;
  }

  /** @returns an equal text, the same one as before while the address is known */
  intern(address: string): string {
    const known = this.#known.get(address);
    if (known !== undefined) return known;
    if (this.#known.size >= ADDRESS_TEXTS_MAX) this.#known.clear();
    this.#known.set(address, address);
    return address;
  }
}
