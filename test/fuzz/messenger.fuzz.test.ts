// Mutated webhooks: whatever the bytes, the parser answers, keeps the neighbours and hands on only what
// can be stored. Run again with SLUICE_FUZZ_SEED; SLUICE_FUZZ_CASES says how many.

import { expect, test } from 'vitest';
import { conversationOf, parseConversation } from '../../lib/base/ids.ts';
import { createSignatureVerifier } from '../../lib/messenger/signature.ts';
import type { ParsedWebhook } from '../../lib/messenger/types.ts';
import { parseWebhook } from '../../lib/messenger/webhook.ts';
import { EXAMPLES } from '../support/messenger-bodies.ts';
import { fuzzCases } from './cases.ts';

const SEED = Number(process.env['SLUICE_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const CASES = fuzzCases('messenger');

/** mulberry32: small, seeded, good enough to choose mutations. */
function randomOf(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

type Random = ReturnType<typeof randomOf>;

const STRANGE: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1e308,
  2 ** 53,
  '',
  ' ',
  'x'.repeat(3000),
  '\u0000\ud800\u2028',
  '17841400123456789',
  '99999999999999999999',
  [],
  [[[[[[]]]]]],
  {},
  { id: {} },
  { mid: [] },
  { length: 5 },
  { toString: 1, valueOf: 2 },
  Array.from({ length: 150 }, (_, index) => ({ type: index })),
];

const SNIPPETS: readonly string[] = [
  '"',
  '\\',
  '\\u00',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '-',
  '12345678901234567',
  ':98765432109876543210,',
  'null',
  '\n',
  '\ufeff',
  '"message":{"mid":"m","text":"t"},',
  '"__proto__":{"mid":"m"},',
];

/** Replaces, removes or adds a member somewhere in the tree. */
function mutateTree(value: unknown, random: Random, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || random(6 + depth) === 0) {
    return random(3) === 0 ? STRANGE[random(STRANGE.length)] : value;
  }
  if (Array.isArray(value)) {
    const copy = value.map((member) => mutateTree(member, random, depth + 1));
    if (random(4) === 0) copy.push(STRANGE[random(STRANGE.length)]);
    return copy;
  }
  const entries = Object.entries(value);
  const chosen = random(Math.max(1, entries.length));
  return Object.fromEntries(
    entries
      .filter((_entry, index) => index !== chosen || random(8) !== 0)
      .map(([name, member], index) => [
        name,
        index === chosen ? mutateTree(member, random, depth + 1) : member,
      ]),
  );
}

function mutateBytes(body: Buffer, random: Random): Buffer {
  const text = body.toString('latin1');
  const at = random(text.length + 1);
  switch (random(4)) {
    case 0:
      return Buffer.from(text.slice(0, at), 'latin1');
    case 1:
      return Buffer.from(text.slice(0, at) + text.slice(at + 1 + random(20)), 'latin1');
    case 2:
      return Buffer.from(
        text.slice(0, at) + (SNIPPETS[random(SNIPPETS.length)] ?? '') + text.slice(at),
      );
    default: {
      const copy = Buffer.from(body);
      for (let flips = 1 + random(4); flips > 0 && copy.length > 0; flips--) {
        copy[random(copy.length)] = random(256);
      }
      return copy;
    }
  }
}

function bodyFor(random: Random): Buffer {
  let tree: unknown = EXAMPLES[random(EXAMPLES.length)]?.body;
  for (let rounds = random(4); rounds > 0; rounds--) tree = mutateTree(tree, random);
  let body: Buffer = Buffer.from(JSON.stringify(tree) ?? '');
  for (let rounds = random(3); rounds > 0; rounds--) body = mutateBytes(body, random);
  return body;
}

function check(parsed: ParsedWebhook): void {
  if (parsed.damaged > parsed.events.length) throw new Error('More damage than events.');
  for (const event of parsed.events) {
    if (parseConversation(conversationOf(event.asset, event.user)) === undefined) {
      throw new Error(`No conversation: ${event.asset}/${event.user ?? ''}`);
    }
    const data = JSON.stringify(event.data);
    if (!data.startsWith('{') || data.includes('\n'))
      throw new Error('Data is no object in one line.');
    if (!Number.isSafeInteger(event.at) || event.at <= 0) throw new Error(`Time ${event.at}`);
    if (event.kind === 'message.received' && typeof event.data['mid'] !== 'string') {
      throw new Error('A message without mid.');
    }
    if (event.dedupeKey === undefined && !/^message\.(delivered|read)$/.test(event.kind)) {
      throw new Error(`No key for ${event.kind}`);
    }
    if ((event.dedupeKey?.length ?? 0) > 1200) throw new Error('A key without bound.');
  }
}

test(`the webhook parser survives ${CASES} mutated bodies (seed ${SEED})`, () => {
  console.log(`messenger fuzz: SLUICE_FUZZ_SEED=${SEED} SLUICE_FUZZ_CASES=${CASES}`);
  const verifier = createSignatureVerifier(['fuzz-secret']);
  let parsedCount = 0;
  for (let index = 0; index < CASES; index++) {
    const body = bodyFor(randomOf(SEED + index));
    try {
      const parsed = parseWebhook(body, 1_791_200_000_000);
      if (parsed !== undefined) {
        parsedCount++;
        check(parsed);
      }
      if (verifier.verify(body, body.subarray(0, 71).toString('latin1'))) {
        throw new Error('A signature out of nothing.');
      }
    } catch (error) {
      const text = body.toString('utf8').slice(0, 2000);
      throw new Error(`Case ${index} of seed ${SEED}: ${text}`, { cause: error });
    }
  }
  // A fuzzer whose bodies are all broken tests nothing.
  expect(parsedCount).toBeGreaterThan(CASES / 4);
});
