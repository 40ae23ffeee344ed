// The field section of the request before this one on the same connection. Clients repeat themselves: a
// section that comes again byte for byte means what it meant, and is neither scanned nor made into strings.

import type { FieldFacts } from './request-head.ts';

/** Longer sections are not kept: this is memory per connection. */
export const KNOWN_SECTION_BYTES_MAX = 1024;
/** After so many sections in a row that did not come again, none is kept any more. */
export const KNOWN_MISSES_MAX = 4;

export class KnownFields {
  fields: readonly string[] = [];
  facts: FieldFacts | undefined;
  /** Bytes of the section, from the first field to the empty line; 0 while there is none. */
  length = 0;
  #bytes: Buffer | undefined;
  #misses = 0;
  #isFirst = true;

  /** True when the section stands at `at` again. Reads nothing at or beyond `end`. */
  matches(bytes: Uint8Array, at: number, end: number): boolean {
    const { length } = this;
    const known = this.#bytes;
    if (length === 0 || known === undefined || at + length > end) return false;
    for (let i = 0; i < length; i++) {
      if (bytes[at + i] !== known[i]) return false;
    }
    this.#misses = 0;
    return true;
  }

  /** Keeps the section `bytes[start, end)` and what it came to. A first request is often the only one. */
  keep(
    bytes: Buffer,
    start: number,
    end: number,
    fields: readonly string[],
    facts: FieldFacts,
  ): void {
    if (this.#isFirst) {
      this.#isFirst = false;
      return;
    }
    const length = end - start;
    this.length = 0;
    if (length > KNOWN_SECTION_BYTES_MAX || this.#misses >= KNOWN_MISSES_MAX) {
      this.#bytes = undefined;
      this.fields = [];
      this.facts = undefined;
      return;
    }
    this.#misses++;
    if (this.#bytes === undefined || this.#bytes.length < length) {
      this.#bytes = Buffer.allocUnsafeSlow(length);
    }
    bytes.copy(this.#bytes, 0, start, end);
    this.length = length;
    this.fields = fields;
    this.facts = facts;
  }
}
