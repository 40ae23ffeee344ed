// The simulator's bytes are Meta's: the product's own verifier and parser are the judges.

import { describe, expect, test } from 'vitest';
import { createSignatureVerifier } from '../../../lib/messenger/signature.ts';
import { parseWebhook } from '../../../lib/messenger/webhook.ts';
import {
  deliveryEvent,
  echoEvent,
  editEvent,
  messageEvent,
  postbackEvent,
  reactionEvent,
  readEvent,
  type WebhookEvent,
} from '../../../lib/simulator/webhook-events.ts';
import {
  isProof,
  newMid,
  numericId,
  signatureOf,
  writeLikeMeta,
} from '../../../lib/simulator/wire.ts';

const SECRET = 'test_app_secret_0123456789abcdef';
const PLACE = { page: '100', user: '200', at: 1_791_200_000_000 };

describe('writing', () => {
  test('escapes like Meta: lower-case hexadecimal and slashes', () => {
    const text = 'äöå 😀 https://ex.am/p';
    expect(writeLikeMeta({ text })).toBe(
      String.raw`{"text":"\u00e4\u00f6\u00e5 \ud83d\ude00 https:\/\/ex.am\/p"}`,
    );
    expect(JSON.parse(writeLikeMeta({ text }))).toEqual({ text });
  });

  test('signs what the product verifies', () => {
    const body = writeLikeMeta({ object: 'page', entry: [{ id: '1', text: 'é/é' }] });
    const verifier = createSignatureVerifier([SECRET]);
    expect(verifier.verify(Buffer.from(body), signatureOf(body, SECRET))).toBe(true);
    expect(verifier.verify(Buffer.from(body), signatureOf(body, 'another'))).toBe(false);
  });

  test('knows a proof', () => {
    const proof = '17321985b53dcec2fb783bfbed3410664802d54e288611a48d0c81b8ff305698';
    expect(isProof(proof, 'EAAtestpagetoken', SECRET)).toBe(true);
    expect(isProof(proof, 'another', SECRET)).toBe(false);
    expect(isProof('', 'EAAtestpagetoken', SECRET)).toBe(false);
  });

  test('gives ids of their own', () => {
    expect(new Set(Array.from({ length: 1000 }, newMid)).size).toBe(1000);
    expect(numericId('1122334455667788')).toBe(1_122_334_455_667_788);
    expect(numericId('17841400123456789')).toBe('17841400123456789');
  });
});

describe('events are what the product reads in them', () => {
  const message = { mid: 'm', at: PLACE.at, text: 'hi' };
  const sticker = [{ type: 'sticker', url: 'https://a/b', stickerId: '369239263222822' }];

  test.each<[string, WebhookEvent, string, object]>([
    [
      'a text',
      messageEvent(PLACE, { ...message, from: 'customer' }),
      'message.received',
      { text: 'hi' },
    ],
    [
      'a quick reply',
      messageEvent(PLACE, { ...message, from: 'customer' }, 'P'),
      'message.received',
      { quickReply: { payload: 'P' } },
    ],
    [
      'a sticker in answer',
      messageEvent(PLACE, {
        mid: 'm',
        at: 1,
        from: 'customer',
        attachments: sticker,
        replyTo: 'm_0',
      }),
      'message.received',
      { attachments: [{ type: 'sticker', stickerId: '369239263222822' }], replyTo: { mid: 'm_0' } },
    ],
    [
      'our own echo',
      echoEvent(PLACE, { ...message, from: 'page' }, '5', 'gw:1:0'),
      'message.echo',
      { metadata: 'gw:1:0' },
    ],
    [
      'an echo of the inbox',
      echoEvent(PLACE, { ...message, from: 'page' }, '263902037430900', undefined),
      'message.outside',
      { origin: 'page_inbox' },
    ],
    [
      'a delivery',
      deliveryEvent(PLACE, ['m']),
      'message.delivered',
      { mids: ['m'], watermark: PLACE.at },
    ],
    [
      'a read',
      readEvent(PLACE, 1_791_200_000_001),
      'message.read',
      { watermark: 1_791_200_000_001 },
    ],
    ['a reaction', reactionEvent(PLACE, 'm', '❤️'), 'reaction', { emoji: '❤️', reaction: 'love' }],
    ['another reaction', reactionEvent(PLACE, 'm', '🦊'), 'reaction', { reaction: 'other' }],
    ['no reaction', reactionEvent(PLACE, 'm', undefined), 'reaction', { action: 'unreact' }],
    ['an edit', editEvent(PLACE, 'm', 'new', 2), 'message.edited', { text: 'new', edit: 2 }],
    [
      'a tap',
      postbackEvent(PLACE, 'm', 'Start', 'GO'),
      'postback',
      { title: 'Start', payload: 'GO' },
    ],
  ])('%s', (_name, { event }, kind, data) => {
    const body = writeLikeMeta({
      object: 'page',
      entry: [{ id: '100', time: 5, messaging: [event] }],
    });
    const parsed = parseWebhook(Buffer.from(body));
    expect(parsed).toMatchObject({
      damaged: 0,
      events: [{ asset: '100', user: '200', kind, data }],
    });
  });
});
