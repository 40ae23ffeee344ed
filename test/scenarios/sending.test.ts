// messenger.md section 9, "Sending": S36, S37, S41. Meta has no idempotency key: an outcome that is not known is
// awaited through its echo, and never answered with a second call.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { INSTAGRAM_TEXT_BYTES_MAX, TEXT_UNITS_MAX } from '../../lib/messenger/limits.ts';
import { splitText, splitTextByBytes } from '../../lib/messenger/text.ts';
import type { SendFault } from '../../lib/simulator/types.ts';
import {
  conversationOf,
  echoTo,
  type Json,
  PAGE,
  type Person,
  ScenarioRig,
} from '../support/scenario-rig.ts';
import { until } from '../support/until.ts';

const USER = '7410258963014785';
const CONVERSATION = conversationOf(USER);
/** Where no echo comes it is awaited for a moment only; where one comes it may take its time. */
const SHORT_ECHO_WAIT_MS = 500;
const LONG_ECHO_WAIT_MS = 30_000;
const LOST_ANSWER: SendFault = { kind: 'lost_answer' };
const BROKEN_ANSWER: SendFault = { kind: 'reset', sent: true };
const SENT_BUT_ERROR: SendFault = { kind: 'error', code: 1, subcode: 1_357_046, sent: true };

let rig: ScenarioRig;
let ann: Person;

async function begin(echoWaitMs: number): Promise<void> {
  rig = await ScenarioRig.start({ outbox: { echoWaitMs } });
  ann = await rig.join();
  rig.simulator.customerSends(PAGE, USER, { text: 'hello?' });
  await ann.event('message.received');
}
afterEach(() => rig.dispose());

/** Meta sends no echoes of this Page, as if they were lost on the way. */
function withoutEchoes(): void {
  const subscribed = { subscribed_fields: 'messages,message_deliveries,message_reads' };
  expect(rig.simulator.graph.subscriptions.set(PAGE, new URLSearchParams(subscribed), {})).toBe(
    true,
  );
}

/** Calls of the Send API, however they ended. */
function sendCalls(): readonly Json[] {
  return rig.simulator.calls
    .filter(({ method, path }) => method === 'POST' && path.endsWith('/messages'))
    .map(({ body }) => body as Json)
    .filter((body) => body['message'] !== undefined);
}

/** The messages of the Page on the customer's phone. */
function phoneTexts(): (string | undefined)[] {
  const { messages } = rig.simulator.world.thread(PAGE, USER);
  return messages.filter(({ from }) => from === 'page').map(({ text }) => text);
}

describe.each<{ readonly name: string; readonly fault: SendFault }>([
  { name: 'S36 timeout then blind retry, the answer never comes', fault: LOST_ANSWER },
  { name: 'S36 timeout then blind retry, the connection breaks', fault: BROKEN_ANSWER },
  { name: 'S37 1/1357046', fault: SENT_BUT_ERROR },
])('$name', ({ name, fault }) => {
  beforeEach(() => begin(LONG_ECHO_WAIT_MS));

  test(`${name}, the echo comes: sent, one copy, and the conversation goes on`, async () => {
    rig.simulator.faults.nextSend(fault);
    const outbox = await ann.send(CONVERSATION, 'once');
    await ann.status(CONVERSATION, outbox, 'delivered');
    if (fault !== LOST_ANSWER) {
      const next = await ann.send(CONVERSATION, 'and on');
      await ann.status(CONVERSATION, next, 'delivered');
    }
    const expected = fault === LOST_ANSWER ? ['once'] : ['once', 'and on'];
    expect(phoneTexts()).toEqual(expected);
    expect(rig.recordsOf('message.sending')).toHaveLength(expected.length);
    expect(rig.recordsOf('message.sent')).toHaveLength(expected.length);
    expect(rig.recordsOf('message.uncertain')).toEqual([]);
  });
});

describe.each<{ readonly name: string; readonly fault: SendFault }>([
  { name: 'S36 timeout then blind retry', fault: BROKEN_ANSWER },
  { name: 'S37 1/1357046', fault: SENT_BUT_ERROR },
])('$name, and no echo either', ({ name, fault }) => {
  beforeEach(() => begin(SHORT_ECHO_WAIT_MS));

  test(`${name}, no echo: uncertain, never sent again by itself, the conversation goes on`, async () => {
    withoutEchoes();
    rig.simulator.faults.nextSend(fault);
    const outbox = await ann.send(CONVERSATION, 'once');
    const next = await ann.send(CONVERSATION, 'and on');
    const uncertain = await ann.status(CONVERSATION, outbox, 'uncertain');
    expect(uncertain.error).toMatchObject({ code: expect.any(String) });
    await ann.status(CONVERSATION, next, 'delivered');
    expect(phoneTexts()).toEqual(['once', 'and on']);
    expect(sendCalls()).toHaveLength(2);
    const sending = rig.recordsOf('message.sending').map(({ data }) => data['message']);
    expect(sending).toEqual([outbox, next]);
  });

  test(`${name}, a late echo: it still proves it; a person who asks again gets one more`, async () => {
    withoutEchoes();
    rig.simulator.faults.nextSend(fault);
    const late = await ann.send(CONVERSATION, 'late echo');
    await ann.status(CONVERSATION, late, 'uncertain');
    const proof = rig.simulator.sentMessages[0];
    const { mid, metadata, at = 0 } = proof ?? {};
    await rig.deliverEvents(echoTo(USER, { mid, metadata, text: 'late echo' }, at));
    // Meta had reported it as delivered meanwhile: now we know whose that was.
    await ann.status(CONVERSATION, late, 'delivered');

    rig.simulator.faults.nextSend(fault);
    const again = await ann.send(CONVERSATION, 'again');
    await ann.status(CONVERSATION, again, 'uncertain');
    await ann.desk.resolve(again, 'resend');
    await ann.status(CONVERSATION, again, 'delivered');
    expect(phoneTexts()).toEqual(['late echo', 'again', 'again']);
    expect(sendCalls()).toHaveLength(3);
  });
});

test('S36 timeout then blind retry: a gateway that died in the call does not call again', async () => {
  await begin(SHORT_ECHO_WAIT_MS);
  rig.simulator.faults.setWebhooks({ hold: true });
  rig.simulator.faults.nextSend(LOST_ANSWER);
  const outbox = await ann.send(CONVERSATION, 'once');
  await until('the call', () => rig.simulator.sentMessages.length === 1);
  await rig.restart();
  await until('the desk is back', () => ann.desk.state.state === 'online');
  await ann.status(CONVERSATION, outbox, 'uncertain');
  rig.simulator.faults.setWebhooks({ hold: false });
  await ann.status(CONVERSATION, outbox, 'delivered');
  expect(phoneTexts()).toEqual(['once']);
  expect(rig.recordsOf('message.sending')).toHaveLength(1);
});

describe('S41 long text', () => {
  beforeEach(() => begin(LONG_ECHO_WAIT_MS));

  const family = '👨‍👩‍👧‍👦';
  const flag = '🇫🇷';

  /** So many characters without a place to break, with these emoji over each limit. */
  function solid(emoji: string, limit: number, length = 3_500): string {
    let text = '';
    while (text.length < length) {
      const room = Math.min(limit, length - text.length);
      text += room < limit ? 'x'.repeat(room) : 'x'.repeat(limit - 3) + emoji;
    }
    return text;
  }

  test.each<{ readonly name: string; readonly text: string }>([
    { name: 'a family', text: solid(family, TEXT_UNITS_MAX) },
    { name: 'a flag', text: solid(flag, TEXT_UNITS_MAX) },
    { name: 'a surrogate pair', text: solid('😀', TEXT_UNITS_MAX - 1) },
    { name: 'emoji only', text: '👍🏽'.repeat(875) },
  ])(
    'S41 long text of 3,500 characters, $name at the cut: whole, in order, one message for agents',
    async ({ text }) => {
      expect(text.length).toBeGreaterThanOrEqual(3_500);
      const outbox = await ann.send(CONVERSATION, text);
      await ann.status(CONVERSATION, outbox, 'delivered');
      const parts = phoneTexts().map((part) => part ?? '');
      expect(parts.length).toBeGreaterThan(1);
      expect(parts.join('')).toBe(text);
      for (const part of parts) {
        expect(part.length).toBeLessThan(2_000);
        expect(Buffer.from(part).toString()).toBe(part);
      }
      expect(graphemesOf(parts)).toEqual(graphemesOf([text]));

      const ours = (await ann.bubbles(CONVERSATION)).filter(({ from }) => from !== 'customer');
      const mids = rig.simulator.sentMessages.map(({ mid }) => mid);
      expect(ours).toMatchObject([{ text, outbox, mids, status: 'delivered' }]);
      expect(sendCalls().map(({ message }) => (message as Json)['metadata'])).toEqual(
        parts.map((_, part) => `gw:${outbox}:${part}`),
      );
      expect(rig.recordsOf('message.outside')).toEqual([]);
    },
  );

  test('S41 long text for Instagram: cut by bytes, at whole characters', () => {
    const text = solid(family, INSTAGRAM_TEXT_BYTES_MAX);
    const parts = splitTextByBytes(text);
    expect(parts.join('')).toBe(text);
    expect(parts.every((part) => Buffer.byteLength(part) <= INSTAGRAM_TEXT_BYTES_MAX)).toBe(true);
    expect(graphemesOf(parts)).toEqual(graphemesOf([text]));
    expect(splitText(text).length).toBeLessThan(parts.length);
  });

  /** What people see as characters, counted in each part by itself. */
  function graphemesOf(parts: readonly string[]): string[] {
    const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
    return parts.flatMap((part) => Array.from(segmenter.segment(part), ({ segment }) => segment));
  }
});
