// What a token lets its bearer see: a set of Pages. Everything that leaves for an agent passes here.

import { createHash } from 'node:crypto';
import { pageOf } from '../base/ids.ts';
import type { Person } from '../desk/records.ts';

const SCOPE_CHARS = 16;

export class Scope {
  /** As in the token; ["*"] stands for every Page. */
  readonly pages: readonly string[];
  /** The same for sessions that see the same Pages: the hub's groups. */
  readonly group: string;
  /** Changes when Pages or role change: a client that finds another one joins anew. */
  readonly id: string;
  readonly #all: boolean;
  readonly #set: ReadonlySet<string>;

  constructor(pages: readonly string[], role: Person['role']) {
    this.pages = pages;
    this.#set = new Set(pages);
    this.#all = this.#set.has('*');
    const sorted = this.#all ? ['*'] : [...this.#set].sort();
    this.group = hashOf(sorted);
    this.id = hashOf([role, ...sorted]);
  }

  allowsPage(page: string): boolean {
    return this.#all || this.#set.has(page);
  }

  allows(conversation: string): boolean {
    return this.#all || this.#set.has(pageOf(conversation));
  }

  /** The Pages to filter a list by; undefined: all. */
  get filter(): readonly string[] | undefined {
    return this.#all ? undefined : [...this.#set];
  }
}

function hashOf(parts: readonly string[]): string {
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
  return digest.slice(0, SCOPE_CHARS);
}
