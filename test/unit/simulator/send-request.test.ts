// What Meta takes and what it refuses of POST /PAGE/messages, limit by limit.

import { describe, expect, test } from 'vitest';
import { judgeSend } from '../../../lib/simulator/send-request.ts';

const send = (message: unknown, more: object = {}): unknown => ({
  recipient: { id: '7' },
  messaging_type: 'RESPONSE',
  message,
  ...more,
});

const reply = (more: object = {}): object => ({
  content_type: 'text',
  title: 'Yes',
  payload: 'YES',
  ...more,
});

const codeOf = (body: unknown): string => {
  const judged = judgeSend(body);
  if (judged.ok) return 'ok';
  return `${judged.error.code}/${judged.error.subcode ?? ''}`;
};

describe('accepted', () => {
  test.each<[string, unknown, object]>([
    ['a text', send({ text: 'hi' }), { kind: 'message', user: '7', message: { text: 'hi' } }],
    ['the longest text', send({ text: 'x'.repeat(1999) }), { kind: 'message' }],
    ['the longest metadata', send({ text: 'x', metadata: 'm'.repeat(999) }), { kind: 'message' }],
    [
      'an attachment',
      send({ attachment: { type: 'image', payload: { url: 'https://a.b/c' } } }),
      { message: { attachments: [{ type: 'image', url: 'https://a.b/c' }] } },
    ],
    [
      'thirteen quick replies of full length',
      send({
        text: 'x',
        quick_replies: Array.from({ length: 13 }, () =>
          reply({ title: 't'.repeat(20), payload: 'p'.repeat(1000) }),
        ),
      }),
      { kind: 'message' },
    ],
    ['an answer', send({ text: 'x' }, { reply_to: { mid: 'm' } }), { message: { replyTo: 'm' } }],
    [
      'the tag for people',
      send({ text: 'x' }, { messaging_type: 'MESSAGE_TAG', tag: 'HUMAN_AGENT' }),
      { message: { tag: 'HUMAN_AGENT' } },
    ],
    ['a number as recipient', send({ text: 'x' }, { recipient: { id: 7 } }), { user: '7' }],
    [
      'an action',
      { recipient: { id: '7' }, sender_action: 'typing_on' },
      { kind: 'action', action: 'typing_on' },
    ],
    [
      'a reaction',
      {
        recipient: { id: '7' },
        sender_action: 'react',
        payload: { message_id: 'm', reaction: '👍' },
      },
      { kind: 'reaction', mid: 'm', emoji: '👍' },
    ],
    [
      'a reaction taken back',
      { recipient: { id: '7' }, sender_action: 'unreact', payload: { message_id: 'm' } },
      { kind: 'reaction', mid: 'm', emoji: undefined },
    ],
  ])('%s', (_name, body, expected) => {
    expect(judgeSend(body)).toMatchObject({ ok: true, value: expected });
  });
});

describe('refused', () => {
  test.each<[string, unknown]>([
    ['no object', []],
    ['no recipient', { messaging_type: 'RESPONSE', message: { text: 'x' } }],
    ['an empty recipient', send({ text: 'x' }, { recipient: { id: '' } })],
    ['no message', { recipient: { id: '7' }, messaging_type: 'RESPONSE' }],
    ['no type', { recipient: { id: '7' }, message: { text: 'x' } }],
    ['another type', send({ text: 'x' }, { messaging_type: 'REPLY' })],
    ['a text that is one too long', send({ text: 'x'.repeat(2000) })],
    ['an empty text', send({ text: '  \n' })],
    ['nothing', send({})],
    ['text with attachment', send({ text: 'x', attachment: { type: 'image', payload: {} } })],
    [
      'an attachment of another type',
      send({ attachment: { type: 'gif', payload: { url: 'https://a' } } }),
    ],
    ['an attachment without address', send({ attachment: { type: 'image', payload: {} } })],
    [
      'an attachment that is no address',
      send({ attachment: { type: 'file', payload: { url: 'x' } } }),
    ],
    ['metadata that is one too long', send({ text: 'x', metadata: 'm'.repeat(1000) })],
    ['metadata that is no text', send({ text: 'x', metadata: 5 })],
    [
      'fourteen quick replies',
      send({ text: 'x', quick_replies: Array.from({ length: 14 }, () => reply()) }),
    ],
    ['no quick replies in the list', send({ text: 'x', quick_replies: [] })],
    [
      'a title that is one too long',
      send({ text: 'x', quick_replies: [reply({ title: 't'.repeat(21) })] }),
    ],
    [
      'a payload that is one too long',
      send({ text: 'x', quick_replies: [reply({ payload: 'p'.repeat(1001) })] }),
    ],
    [
      'a quick reply without type',
      send({ text: 'x', quick_replies: [reply({ content_type: undefined })] }),
    ],
    ['an answer to nothing', send({ text: 'x' }, { reply_to: {} })],
    [
      'S34 a tag that has ended',
      send({ text: 'x' }, { messaging_type: 'MESSAGE_TAG', tag: 'ACCOUNT_UPDATE' }),
    ],
    ['a tag without its type', send({ text: 'x' }, { tag: 'HUMAN_AGENT' })],
    ['its type without a tag', send({ text: 'x' }, { messaging_type: 'MESSAGE_TAG' })],
    ['an unknown action', { recipient: { id: '7' }, sender_action: 'wave' }],
    ['a reaction to nothing', { recipient: { id: '7' }, sender_action: 'react' }],
    [
      'a reaction without emoji',
      { recipient: { id: '7' }, sender_action: 'react', payload: { message_id: 'm' } },
    ],
  ])('%s', (_name, body) => {
    expect(codeOf(body)).toBe('100/');
  });

  test('a message together with an action', () => {
    expect(codeOf(send({ text: 'x' }, { sender_action: 'typing_on' }))).toBe('100/2018014');
  });
});
