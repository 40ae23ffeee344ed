// Webhooks that wait for the journal: settled once, in any order, given up from the front.

import { describe, expect, it } from 'vitest';
import { WaitingPosts } from '../../../lib/gateway/waiting-posts.ts';
import type { ServerResponse } from '../../../lib/server/types.ts';

function responses(count: number): ServerResponse[] {
  return Array.from({ length: count }, () => ({}) as ServerResponse);
}

describe('waiting posts', () => {
  it.each([
    { name: 'in order', order: [0, 1, 2, 3] },
    { name: 'backwards', order: [3, 2, 1, 0] },
    { name: 'mixed', order: [2, 0, 3, 1] },
  ])('are settled once each, $name', ({ order }) => {
    const waiting = new WaitingPosts();
    const all = responses(4);
    const posts = all.map((response, since) => waiting.add(response, since));
    for (const [done, index] of order.entries()) {
      const post = posts[index];
      if (post === undefined) throw new Error('No such post.');
      expect(waiting.settle(post)).toBe(all[index]);
      expect(waiting.settle(post)).toBeUndefined();
      expect(waiting.size).toBe(3 - done);
    }
  });

  it('are given up up to a time, and not settled after it', () => {
    const waiting = new WaitingPosts();
    const all = responses(5);
    const posts = all.map((response, i) => waiting.add(response, i * 10));
    const [first, second] = posts;
    if (first === undefined || second === undefined) throw new Error('No posts.');
    expect(waiting.settle(second)).toBe(all[1]);
    expect(waiting.takeLate(20)).toEqual([all[0], all[2]]);
    expect(waiting.settle(first)).toBeUndefined();
    expect(waiting.size).toBe(2);
    expect(waiting.takeLate(20)).toEqual([]);
    expect(waiting.takeLate(1000)).toEqual([all[3], all[4]]);
    expect(waiting.size).toBe(0);
  });

  it('keep their order while thousands pass through behind one that stays', () => {
    const waiting = new WaitingPosts();
    const [stuck, late] = responses(2);
    if (stuck === undefined || late === undefined) throw new Error('No responses.');
    const post = waiting.add(stuck, 0);
    for (let round = 0; round < 2; round++) {
      for (const response of responses(3000)) waiting.settle(waiting.add(response, 1));
      if (round === 0) waiting.add(late, 2);
      if (round === 0) waiting.settle(post);
    }
    expect(waiting.size).toBe(1);
    expect(waiting.takeLate(1)).toEqual([]);
    expect(waiting.takeLate(2)).toEqual([late]);
  });
});
