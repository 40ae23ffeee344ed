// Whole bodies: the examples of the fixture, envelopes of every shape, and damage that stays where it is.

import { describe, expect, test } from 'vitest';
import { EVENT_NAMES, parseWebhook } from '../../../lib/messenger/webhook.ts';
import {
  bodyOf,
  ENTRY_TIME,
  EVENT_TIME,
  EXAMPLES,
  eventOf,
  example,
  first,
  PAGE,
  parse,
  parseOne,
  RECEIVED_AT,
  USER,
} from '../../support/messenger-bodies.ts';

/** Every example: the kinds that come out of it, in order. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  text_message: ['message.received'],
  text_message_redelivery_new_entry_time: ['message.received'],
  batch_two_pages: [
    'message.received',
    'message.received',
    'message.received',
    'message.received',
    'message.delivered',
  ],
  quick_reply_tap: ['message.received'],
  image_album_three_attachments: ['message.received'],
  audio_voice_clip: ['message.received'],
  file_pdf_unicode_text: ['message.received'],
  sticker_only: ['message.received'],
  link_share_fallback: ['message.received'],
  reply_to_earlier_message: ['message.received'],
  ctm_ad_first_message: ['message.received'],
  echo_own_app: ['message.echo'],
  echo_page_inbox_human: ['message.outside'],
  postback_get_started_mme_referral: ['postback'],
  delivery_and_read_batch: ['message.read', 'message.delivered', 'message.delivered'],
  reaction_then_unreact: ['reaction', 'reaction'],
  message_edit_out_of_order: ['message.edited', 'message.edited'],
  standby_message_and_postback: ['message.received', 'postback'],
  handover_pass_then_take: ['handover', 'handover'],
  policy_enforcement_block: ['policy'],
  optin_notification_messages: ['optin'],
  lead_ad_complete_seconds_timestamp: ['lead'],
  dashboard_test_changes: ['unknown'],
  feedback_cart_unknown: ['feedback', 'order', 'unknown'],
  instagram_story_reply_then_unsend: ['message.received', 'message.deleted'],
};

describe('the examples', () => {
  test('all have a row', () => {
    expect(EXAMPLES.map(({ name }) => name).sort()).toEqual(Object.keys(KINDS).sort());
    expect(EXAMPLES).toHaveLength(25);
  });

  test.each(EXAMPLES)('$name becomes its kinds, undamaged', ({ name, body }) => {
    const parsed = parse(body);
    expect(parsed.events.map((event) => event.kind)).toEqual(KINDS[name]);
    expect(parsed.damaged).toBe(0);
    for (const event of parsed.events) {
      expect(event.asset).toMatch(/^\d+$/);
      expect(event.at).toBeGreaterThan(1_791_200_000_000 - 1);
      expect(event.at).toBeLessThan(1_791_201_000_000);
    }
  });

  test.each(EXAMPLES)('$name reads the same as Meta writes it', ({ body }) => {
    const escaped = JSON.stringify(body)
      .replaceAll('/', String.raw`\/`)
      .replace(
        /[\u0080-\uffff]/g,
        (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
      );
    expect(parse(escaped)).toEqual(parse(body));
  });

  test('S03 a redelivery with another entry.time has the same key and content', () => {
    const once = first(example('text_message'));
    expect(first(example('text_message_redelivery_new_entry_time'))).toEqual(once);
  });

  test('S17 a shuffled batch keeps every event with its own time and Page', () => {
    const { events } = example('batch_two_pages');
    expect(events.map((event) => event.asset)).toEqual([
      PAGE,
      PAGE,
      PAGE,
      '998877665544332',
      '998877665544332',
    ]);
    expect(events.map((event) => event.at % 100_000)).toEqual([8300, 7100, 7700, 8000, 9000]);
  });
});

describe('the envelope', () => {
  test('S25 three entries of four events are twelve events', () => {
    const entry = (id: string): unknown => ({
      id,
      time: ENTRY_TIME,
      messaging: [1, 2, 3, 4].map((n) => eventOf({ message: { mid: `m_${id}_${n}`, text: 'x' } })),
    });
    const parsed = parse({ object: 'page', entry: ['1', '2', '3'].map(entry) });
    expect(parsed.events).toHaveLength(12);
    expect(new Set(parsed.events.map((event) => event.dedupeKey)).size).toBe(12);
  });

  test('S23 entries without messaging do not harm their neighbours', () => {
    const message = { message: { mid: 'm_1', text: 'x' } };
    const parsed = parse({
      object: 'page',
      entry: [
        { id: PAGE, time: 1, standby: [eventOf(message)] },
        { id: PAGE, time: 1, changes: [{ field: 'feed', value: { item: 'status' } }] },
        { id: PAGE, time: 1 },
        { id: PAGE, time: 1, messaging: [eventOf(message)] },
      ],
    });
    expect(parsed.events.map((event) => event.kind)).toEqual([
      'message.received',
      'unknown',
      'unknown',
      'message.received',
    ]);
    expect(parsed.damaged).toBe(0);
  });

  test('all three arrays of one entry are read', () => {
    const parsed = parse(
      bodyOf({
        messaging: [eventOf({ read: { watermark: 5 } })],
        standby: [eventOf({ delivery: { watermark: 5 } })],
        changes: [{ field: 'x', value: 1 }],
      }),
    );
    expect(parsed.events.map((event) => [event.kind, event.standby])).toEqual([
      ['message.read', false],
      ['message.delivered', true],
      ['unknown', false],
    ]);
  });

  test('S09 the same mid on messaging and standby has one key', () => {
    const message = { message: { mid: 'm_1', text: 'x' } };
    const [owned, standby] = [parseOne(message), parseOne(message, 'standby')];
    expect(owned.dedupeKey).toBe(`msg:${PAGE}:m_1`);
    expect(standby.dedupeKey).toBe(owned.dedupeKey);
    expect([owned.standby, standby.standby]).toEqual([false, true]);
  });

  test('S24 the dashboard test becomes an unknown event of asset 0', () => {
    const event = first(example('dashboard_test_changes'));
    expect(event).toMatchObject({ asset: '0', kind: 'unknown', at: 1_791_200_230_000 });
    expect(event.data).toMatchObject({ name: 'messages', raw: { page_id: '1067280970047460' } });
  });

  test('S24 the newer form that wraps a whole event is a test, too', () => {
    const body = {
      object: 'page',
      entry: [
        {
          id: '0',
          time: 5,
          changes: [{ field: 'feed', value: { item: 'comment', comment_id: '1' } }],
        },
        { id: '0', time: 5, changes: [{ field: 'messages', value: eventOf({ message: {} }) }] },
      ],
    };
    expect(parse(body).events.map(({ asset, kind }) => [asset, kind])).toEqual([
      ['0', 'unknown'],
      ['0', 'unknown'],
    ]);
  });

  test('an id that is a long number keeps its digits', () => {
    const text = `{"object":"instagram","entry":[{"id":17841400123456789,"time":1791200250300,"messaging":[{"sender":{"id":9007199254740993},"recipient":{"id":17841400123456789},"timestamp":1791200250000,"message":{"mid":"m","text":"a"}}]}]}`;
    const event = first(parse(text));
    expect([event.asset, event.user]).toEqual(['17841400123456789', '9007199254740993']);
  });

  test('an object that we do not know is kept entry by entry', () => {
    const parsed = parse({
      object: 'user',
      entry: [{ id: '5', time: 9, changed_fields: ['a'] }, 7],
    });
    expect(parsed.object).toBe('user');
    expect(parsed.events.map(({ asset, kind, data }) => [asset, kind, data['name']])).toEqual([
      ['5', 'unknown', 'object:user'],
      ['0', 'unknown', 'entry'],
    ]);
    expect(parsed.damaged).toBe(1);
  });

  test.each(['', '{', 'null,', 'a=b', '[1,'])('a body that is not JSON is none: %j', (text) => {
    expect(parseWebhook(Buffer.from(text))).toBeUndefined();
  });

  test.each(['null', '5', '"x"', '[]', '{}', '{"object":"page"}', '{"object":5,"entry":{}}'])(
    'JSON of another shape is one damaged event: %s',
    (text) => {
      const parsed = parse(text);
      expect(parsed).toMatchObject({ damaged: 1, events: [{ asset: '0', kind: 'unknown' }] });
    },
  );
});

describe('damage', () => {
  test.each<[string, unknown]>([
    ['null', null],
    ['a number', 5],
    ['a list', []],
    ['a message that is null', eventOf({ message: null })],
    ['a message that is a text', eventOf({ message: 'hello' })],
    ['a message without mid', eventOf({ message: { text: 'hello' } })],
    ['a message whose mid is a number', eventOf({ message: { mid: 5, text: 'hello' } })],
    ['a message from nobody', { message: { mid: 'm', text: 'x' }, timestamp: 1 }],
    ['a message from a strange id', eventOf({ sender: { id: 'a b' }, message: { mid: 'm' } })],
    ['a reaction without mid', eventOf({ reaction: { action: 'react' } })],
    ['a reaction of another action', eventOf({ reaction: { mid: 'm', action: 'wave' } })],
    ['an edit without number', eventOf({ message_edit: { mid: 'm', text: 'x' } })],
    ['a delivery of nothing', eventOf({ delivery: {} })],
    ['a read of nothing', eventOf({ read: { watermark: 'soon' } })],
    ['an empty postback', eventOf({ postback: {} })],
    ['an empty referral', eventOf({ referral: {} })],
    ['a coupon of another type', eventOf({ template: { type: 'other' } })],
    ['a form without id', eventOf({ form: {} })],
    ['a policy without action', eventOf({ policy_enforcement: {} })],
    ['an account link without status', eventOf({ account_linking: {} })],
  ])('%s is kept as unknown and harms no neighbour', (_name, bad) => {
    const good = eventOf({ message: { mid: 'm_good', text: 'good' } });
    const parsed = parse(bodyOf({ messaging: [good, bad, good] }));
    expect(parsed.damaged).toBe(1);
    expect(parsed.events.map((event) => event.kind)).toEqual([
      'message.received',
      'unknown',
      'message.received',
    ]);
  });

  test('a list that is not a list is one damaged event', () => {
    const parsed = parse(bodyOf({ messaging: { 0: 'x' }, standby: [], changes: null }));
    expect(parsed.damaged).toBe(2);
    expect(parsed.events.map(({ data }) => data['name'])).toEqual(['messaging', 'changes']);
  });

  test('nesting that would exhaust the stack is cut off', () => {
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
    const event = `{"sender":{"id":"${USER}"},"novelty":${deep}}`;
    const parsed = parse(`{"object":"page","entry":[{"id":"${PAGE}","messaging":[${event}]}]}`);
    expect(parsed.events).toHaveLength(1);
    expect(first(parsed).data).toEqual({ name: 'novelty', at: RECEIVED_AT });
  });

  test('an unknown event keeps its raw form up to the bound, and no more', () => {
    const raw = (size: number): unknown =>
      parseOne({ novelty: { text: 'x'.repeat(size) } }).data['raw'];
    expect(raw(32_000)).toBeDefined();
    expect(raw(33_000)).toBeUndefined();
  });

  test('names of members that belong to objects themselves are only names', () => {
    const text = `{"object":"page","entry":[{"id":"${PAGE}","messaging":[{"__proto__":{"message":{"mid":"m"}},"constructor":1}]}]}`;
    expect(first(parse(text))).toMatchObject({ kind: 'unknown', data: { name: '__proto__' } });
  });
});

describe('times', () => {
  const seen = (timestamp: unknown): number =>
    parseOne({ timestamp, message: { mid: 'm', text: 'x' } }).at;

  test.each<[string, unknown, number]>([
    ['milliseconds', EVENT_TIME, EVENT_TIME],
    ['S33 seconds', 1_791_200_220, 1_791_200_220_000],
    ['milliseconds in a string', '1791200210000', 1_791_200_210_000],
    ['seconds in a string', '1791200210', 1_791_200_210_000],
    ['a fraction', 1_791_200_000_000.7, 1_791_200_000_000],
    ['nothing', undefined, ENTRY_TIME],
    ['zero', 0, ENTRY_TIME],
    ['less than zero', -5, ENTRY_TIME],
    ['a word', 'now', ENTRY_TIME],
    ['an object', {}, ENTRY_TIME],
    ['a time beyond every calendar', 9e15, ENTRY_TIME],
  ])('%s are understood', (_name, timestamp, expected) => {
    expect(seen(timestamp)).toBe(expected);
  });

  test('without any time the arrival counts', () => {
    const parsed = parse({ object: 'page', entry: [{ id: PAGE, messaging: [{ order: {} }] }] });
    expect(first(parsed).at).toBe(RECEIVED_AT);
  });

  test('a key never depends on the time of the delivery', () => {
    const keyAt = (time: number): string | undefined => {
      const event = { sender: { id: USER }, recipient: { id: PAGE }, order: { note: 'n' } };
      return first(parse({ object: 'page', entry: [{ id: PAGE, time, messaging: [event] }] }))
        .dedupeKey;
    };
    expect(keyAt(ENTRY_TIME)).toBe(keyAt(ENTRY_TIME + 20_000));
  });
});

test('the dispatch order is the one of the reference', () => {
  expect(EVENT_NAMES).toEqual([
    'message',
    'postback',
    'reaction',
    'message_edit',
    'delivery',
    'read',
    'referral',
    'optin',
    'account_linking',
    'pass_thread_control',
    'take_thread_control',
    'request_thread_control',
    'app_roles',
    'policy_enforcement',
    'messaging_feedback',
    'response_feedback',
    'order',
    'template',
    'form',
  ]);
});
