import { describe, expect, test } from 'vitest';
import { eventFrame } from '../../../lib/gateway/event-frame.ts';
import { toRecord } from '../../../lib/gateway/to-record.ts';
import type { JournalRecord } from '../../../lib/journal/types.ts';
import type { MessengerEvent } from '../../../lib/messenger/types.ts';
import { parseWebhook } from '../../../lib/messenger/webhook.ts';

const NOW = 1_800_000_000_000;

function event(change: Partial<MessengerEvent> = {}): MessengerEvent {
  return {
    asset: '100',
    user: '7',
    kind: 'message.received',
    at: NOW - 500,
    dedupeKey: 'msg:100:m1',
    standby: false,
    opensWindow: false,
    data: { mid: 'm1', at: NOW - 500, text: 'hi' },
    ...change,
  };
}

function recordOf(change: Partial<JournalRecord>): JournalRecord {
  return {
    seq: 5,
    prev: 3,
    at: NOW,
    conversation: 'messenger/100/7',
    kind: 'message.received',
    data: '{"mid":"m1"}',
    fences: true,
    internal: false,
    ...change,
  };
}

describe('toRecord', () => {
  test('keeps conversation, kind, key and the time that redeliveries keep', () => {
    expect(toRecord(event(), NOW)).toEqual({
      conversation: 'messenger/100/7',
      kind: 'message.received',
      at: NOW,
      data: JSON.stringify({ mid: 'm1', at: NOW - 500, text: 'hi' }),
      dedupeKey: 'msg:100:m1',
      dedupeAt: NOW - 500,
      fences: true,
      internal: false,
    });
  });

  test('files an event without a user under its Page, and one without a key without one', () => {
    const { user, dedupeKey, ...bare } = event({ kind: 'policy' });
    expect([user, dedupeKey]).toEqual(['7', 'msg:100:m1']);
    const record = toRecord(bare, NOW);
    expect(record.conversation).toBe('messenger/100');
    expect(record).not.toHaveProperty('dedupeKey');
    expect(record).not.toHaveProperty('dedupeAt');
  });

  test.each([
    [
      'a message without timestamp',
      { messaging: [{ sender: { id: '7' }, message: { mid: 'm1' } }] },
    ],
    [
      'feedback',
      { messaging: [{ sender: { id: '7' }, messaging_feedback: { feedback_screens: [] } }] },
    ],
    ['an unknown event', { messaging: [{ sender: { id: '7' }, novelty: { a: 1 } }] }],
    ['something damaged', { messaging: [17] }],
    ['a label', { changes: [{ field: 'inbox_labels', value: { action: 'add' } }] }],
    ['an unknown field', { changes: [{ field: 'novelty', value: { a: 1 } }] }],
  ])('%s: its redelivery with another entry.time has the same key', (_name, entry) => {
    const [first, again] = [1, 2].map((time) => {
      const body = { object: 'page', entry: [{ id: '100', time: NOW + time, ...entry }] };
      const [event] = parseWebhook(Buffer.from(JSON.stringify(body)))?.events ?? [];
      return event === undefined ? undefined : toRecord(event, NOW);
    });
    expect(first?.dedupeKey).toEqual(expect.any(String));
    expect(again?.dedupeKey).toBe(first?.dedupeKey);
    expect(again?.dedupeAt).toBe(first?.dedupeAt);
  });

  test('leaves out a time of zero, so that the key is filed under today', () => {
    expect(toRecord(event({ at: 0 }), NOW)).not.toHaveProperty('dedupeAt');
  });

  test.each([
    ['message.received', true],
    ['postback', true],
    ['message.edited', true],
    ['message.deleted', true],
    ['message.outside', true],
    ['message.delivered', false],
    ['message.read', false],
    ['reaction', false],
    ['message.echo', false],
  ])('%s fences: %s', (kind, fences) => {
    expect(toRecord(event({ kind }), NOW).fences).toBe(fences);
  });

  test('marks only our own echoes as internal', () => {
    expect(toRecord(event({ kind: 'message.echo' }), NOW).internal).toBe(true);
    expect(toRecord(event({ kind: 'message.outside' }), NOW).internal).toBe(false);
  });

  test.each([
    [{ a: 1 }, false, false, '{"a":1}'],
    [{ a: 1 }, true, false, '{"a":1,"window":true}'],
    [{ a: 1 }, false, true, '{"a":1,"standby":true}'],
    [{ a: 1 }, true, true, '{"a":1,"window":true,"standby":true}'],
    [{}, true, true, '{"window":true,"standby":true}'],
  ])('writes %j with window %s and standby %s as %s', (data, opensWindow, standby, text) => {
    expect(toRecord(event({ data, opensWindow, standby }), NOW).data).toBe(text);
  });

  test('stores an event whose user cannot be a name as unknown, under its Page', () => {
    const record = toRecord(event({ user: 'a b/c' }), NOW);
    expect(record).toMatchObject({ conversation: 'messenger/100', kind: 'unknown' });
    expect(JSON.parse(record.data)).toMatchObject({ name: 'message.received' });
    expect(record.fences).toBe(false);
  });

  test('never lets text of an event break the line', () => {
    expect(toRecord(event({ data: { text: 'a\nb\u2028"\\' } }), NOW).data).not.toContain('\n');
  });
});

describe('eventFrame', () => {
  test('is the JSON of the event with the data as it was stored', () => {
    const data = '{"mid":"m1","text":"\\u00e4 \\/"}';
    const frame = eventFrame(recordOf({ data }));
    expect(frame).toContain(`"data":${data}`);
    expect(JSON.parse(frame)).toEqual({
      type: 'event',
      seq: 5,
      prev: 3,
      at: NOW,
      conversation: 'messenger/100/7',
      kind: 'message.received',
      data: { mid: 'm1', text: 'ä /' },
    });
  });

  test.each([
    ['{"a":1,"standby":true}', true],
    ['{"standby":true}', true],
    ['{"a":1,"window":true,"standby":true}', true],
    ['{"raw":{"x":1,"standby":true}}', undefined],
    ['{"text":",\\"standby\\":true}"}', undefined],
    ['{"a":1}', undefined],
  ])('says standby of %s: %s', (data, standby) => {
    expect(JSON.parse(eventFrame(recordOf({ data }))).standby).toBe(standby);
  });
});
