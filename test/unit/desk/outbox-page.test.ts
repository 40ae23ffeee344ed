// A Page's gate alone: whose turn it is, and how long pauses last.

import { describe, expect, test } from 'vitest';
import { OUTBOX_LIMITS } from '../../../lib/desk/outbox-limits.ts';
import { PageGate, type PauseReason } from '../../../lib/desk/outbox-page.ts';

const NOW = 1_800_000_000_000;

function gate(random = 0): PageGate {
  return new PageGate('1', OUTBOX_LIMITS, () => random, 0);
}

/** Refuses probe after probe. @returns how long each pause was */
function pauses(of: PageGate, count: number, why: PauseReason, retryAfterMs?: number): number[] {
  const lengths: number[] = [];
  let now = NOW;
  for (let i = 0; i < count; i++) {
    const until = of.endPaused(now, i > 0, why, retryAfterMs);
    lengths.push(until - now);
    now = until;
    of.add('c', 'text');
    const answer = of.next(now, 0);
    expect(answer).toEqual({ kind: 'go', conversation: 'c', isProbe: true });
    of.begin('text', true);
  }
  return lengths;
}

describe('a pause', () => {
  const { limitPauseMs, limitPauseMaxMs, alarmPauseMs, restrictedPauseMs } = OUTBOX_LIMITS;

  test('for a limit doubles with every refused probe, up to its maximum', () => {
    expect(pauses(gate(), 7, 'limit')).toEqual([
      limitPauseMs,
      2 * limitPauseMs,
      4 * limitPauseMs,
      8 * limitPauseMs,
      16 * limitPauseMs,
      limitPauseMaxMs,
      limitPauseMaxMs,
    ]);
  });

  test.each([
    { why: 'token', lengths: [alarmPauseMs, alarmPauseMs] },
    { why: 'permission', lengths: [alarmPauseMs, alarmPauseMs] },
    { why: 'restricted', lengths: [restrictedPauseMs, restrictedPauseMs] },
  ] as const)('for $why has one length', ({ why, lengths }) => {
    expect(pauses(gate(), 2, why)).toEqual(lengths);
  });

  test('is never shorter than Meta asks, and jitter only lengthens it', () => {
    expect(pauses(gate(), 1, 'limit', 77_000)).toEqual([77_000]);
    expect(pauses(gate(1), 1, 'limit')).toEqual([1.2 * limitPauseMs]);
  });

  test('is not shortened by answers of calls that were open when it began', () => {
    const held = gate();
    const until = held.endPaused(NOW, false, 'limit', 500_000);
    expect(held.endPaused(NOW + 1, false, 'limit')).toBe(until);
    expect(held.endWell(NOW + 2, false)).toBe(false);
    held.add('c', 'text');
    expect(held.next(NOW + 3, 0)).toEqual({ kind: 'wait', waitMs: until - NOW - 3 });
  });

  test('that an earlier process left does not hold against newer news', () => {
    const held = gate();
    held.recoverPause(NOW + 1000, 'limit');
    expect(held.pause).toEqual({ page: '1', why: 'limit', until: NOW + 1000 });
    held.resume(NOW);
    held.recoverPause(NOW + 1000, 'limit');
    held.add('c', 'text');
    expect(held.next(NOW, 0)).toMatchObject({ kind: 'go', isProbe: true });
  });
});

describe('the line', () => {
  test('is first come, first served, and nobody stands in it twice', () => {
    const open = gate();
    for (const name of ['a', 'b', 'a', 'c']) open.add(name, 'text');
    const turns = ['a', 'b', 'c'].map((conversation) => ({
      kind: 'go',
      conversation,
      isProbe: false,
    }));
    expect([open.next(NOW, 0), open.next(NOW, 0), open.next(NOW, 0)]).toEqual(turns);
    expect(open.next(NOW, 0)).toEqual({ kind: 'idle' });
  });

  test('is left by who has nothing to send any more', () => {
    const open = gate();
    open.add('a', 'text');
    open.add('b', 'media');
    open.remove('a');
    open.remove('b');
    expect([open.isEmpty, open.next(NOW, 0)]).toEqual([true, { kind: 'idle' }]);
  });

  test('knows one lane for each: a change of lane is a change of place', () => {
    const open = gate();
    open.add('a', 'media');
    open.add('a', 'text');
    expect(open.next(NOW, 0)).toMatchObject({ conversation: 'a' });
    expect(open.isEmpty).toBe(true);
  });
});
