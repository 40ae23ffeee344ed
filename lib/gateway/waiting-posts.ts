// Webhooks that wait for the journal, in order of arrival. Each is settled once: answered when it is durable, or
// given up when it took too long. An array, since a Set leaves tables of dead entries behind that the collector
// carries over with everything they name: a quarter of all memory used per post.

import type { ServerResponse } from '../server/types.ts';

/** A POST whose events are on their way to the disk. */
export interface WaitingPost {
  readonly since: number;
  /** Gone when it is settled. */
  response: ServerResponse | undefined;
}

/** Settled places at the front that are kept before the list is cut. */
const SETTLED_KEPT_MAX = 1024;

export class WaitingPosts {
  #posts: WaitingPost[] = [];
  /** Everything before it is settled. */
  #start = 0;
  #size = 0;

  /** Posts that are not settled. */
  get size(): number {
    return this.#size;
  }

  /** @param since monotonic milliseconds, never less than of the one before */
  add(response: ServerResponse, since: number): WaitingPost {
    const post: WaitingPost = { since, response };
    this.#posts.push(post);
    this.#size++;
    return post;
  }

  /** @returns the response to answer now; undefined when it was given up before */
  settle(post: WaitingPost): ServerResponse | undefined {
    const { response } = post;
    if (response === undefined) return undefined;
    post.response = undefined;
    this.#size--;
    this.#trim();
    return response;
  }

  /** Gives up those that came at `latest` or before. @returns their responses */
  takeLate(latest: number): readonly ServerResponse[] {
    const late: ServerResponse[] = [];
    for (let i = this.#start; i < this.#posts.length; i++) {
      const post = this.#posts[i];
      if (post === undefined || post.since > latest) break;
      if (post.response === undefined) continue;
      late.push(post.response);
      post.response = undefined;
    }
    this.#size -= late.length;
    this.#trim();
    return late;
  }

  #trim(): void {
    const posts = this.#posts;
    if (this.#size === 0) {
      if (posts.length > 0) this.#posts = [];
      this.#start = 0;
      return;
    }
    while (posts[this.#start]?.response === undefined) this.#start++;
    if (this.#start <= SETTLED_KEPT_MAX) return;
    this.#posts = posts.slice(this.#start);
    this.#start = 0;
  }
}
