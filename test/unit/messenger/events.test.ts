// Every kind of event: data as contract.md section 4 shows it, and its key as in messenger.md 3.6.

import { describe, expect, test } from 'vitest';
import {
  bodyOf,
  EVENT_TIME,
  example,
  first,
  PAGE,
  parse,
  parseOne,
  USER,
} from '../../support/messenger-bodies.ts';

const AU = `${PAGE}:${USER}`;

describe('messages', () => {
  test('S26 every attachment of an album is kept, with its expiry', () => {
    const { attachments } = first(example('image_album_three_attachments')).data;
    expect(attachments).toMatchObject([
      { index: 0, type: 'image', expiresAt: 0x6ad1f3c0 * 1000 },
      { index: 1, type: 'image' },
      { index: 2, type: 'image' },
    ]);
  });

  test.each<[string, unknown, unknown]>([
    ['ephemeral', { type: 'ephemeral' }, { index: 0, type: 'ephemeral' }],
    [
      'no type',
      { payload: { url: 'https://a.b/c' } },
      { index: 0, type: 'unknown', url: 'https://a.b/c' },
    ],
    [
      'reel',
      { type: 'reel', payload: { reel_video_id: 5, title: 't' } },
      { reelId: '5', title: 't' },
    ],
    ['ig_post', { type: 'ig_post', payload: { id: 17 } }, { type: 'ig_post', postId: '17' }],
    [
      'fallback with payload null',
      { type: 'fallback', payload: null, title: 't', url: 'https://a.b' },
      { type: 'fallback', title: 't', url: 'https://a.b' },
    ],
    [
      'appointment',
      {
        type: 'appointment_booking',
        payload: { booking_id: 1, status: 'requested', start_time: 1791200220 },
      },
      { bookingId: '1', status: 'requested', startAt: 1_791_200_220_000 },
    ],
    [
      'location',
      { type: 'location', payload: { coordinates: { lat: 1.5, long: 2 } } },
      { type: 'location', lat: 1.5, long: 2 },
    ],
    [
      'product',
      { type: 'template', payload: { product: { elements: [{ id: '1' }] } } },
      { type: 'template', product: { elements: [{ id: '1' }] } },
    ],
  ])('S27 an attachment of type %s is kept', (_name, attachment, view) => {
    const event = parseOne({ message: { mid: 'm', text: 't', attachments: [attachment] } });
    expect(event.kind).toBe('message.received');
    expect(event.data['attachments']).toMatchObject([view]);
  });

  test('a link that is no web address is left out', () => {
    const attachments = [{ type: 'file', payload: { url: 'javascript:alert(1)' } }];
    const event = parseOne({ message: { mid: 'm', attachments } });
    expect(event.data['attachments']).toEqual([{ index: 0, type: 'file' }]);
  });

  test('attachments beyond the bound are left out', () => {
    const attachments = Array.from({ length: 101 }, () => ({ type: 'image' }));
    expect(parseOne({ message: { mid: 'm', attachments } }).data['attachments']).toHaveLength(100);
  });

  test.each<[string, unknown]>([
    [
      'by id',
      { type: 'image', payload: { url: 'https://other/x.png', sticker_id: 369239263222822 } },
    ],
    ['by address', { type: 'image', payload: { url: 'https://cdn/like.png?oh=other' } }],
  ])('of a sticker and its image twin the sticker remains: %s', (_name, twin) => {
    const sticker = {
      type: 'sticker',
      payload: { url: 'https://cdn/like.png?oh=1', sticker_id: '369239263222822' },
    };
    const other = { type: 'image', payload: { url: 'https://cdn/photo.png' } };
    const event = parseOne({ message: { mid: 'm', attachments: [twin, sticker, other] } });
    expect(event.data['attachments']).toMatchObject([
      { index: 1, type: 'sticker', stickerId: '369239263222822' },
      { index: 2, type: 'image' },
    ]);
  });

  test.each<[string, object]>([
    ['marked so', { is_unsupported: true }],
    ['empty', {}],
    ['a share of nothing', { attachments: [{ type: 'fallback', payload: null }] }],
    ['disappearing', { attachments: [{ type: 'ephemeral' }] }],
  ])('S28 a message that is %s says that it is unsupported', (_name, members) => {
    expect(parseOne({ message: { mid: 'm', ...members } }).data['unsupported']).toBe(true);
  });

  test('S29 an unsend is an update of the original mid, not a message', () => {
    const [received, deleted] = example('instagram_story_reply_then_unsend').events;
    const mid = received?.data['mid'];
    expect(deleted).toMatchObject({
      kind: 'message.deleted',
      dedupeKey: `del:17841400123456789:${mid}`,
      data: { mid },
      opensWindow: false,
    });
    expect(received?.data['replyTo']).toMatchObject({ story: { id: '17900011122233344' } });
  });

  test('a monstrous mid makes a key of bounded length that still tells mids apart', () => {
    const keyOf = (mid: string): string =>
      parseOne({ message: { mid, text: 't' } }).dedupeKey ?? '';
    expect(keyOf('x'.repeat(256))).toBe(`msg:${PAGE}:${'x'.repeat(256)}`);
    expect(keyOf('x'.repeat(257))).toMatch(/^msg:\d+:#[0-9a-f]{32}$/);
    expect(keyOf('x'.repeat(257))).not.toBe(keyOf('x'.repeat(258)));
  });

  test('the summary of a lead says that it is one', () => {
    const event = parseOne({ message: { mid: 'm', text: 't' }, hop_context: { app_id: 1 } });
    expect(event.data).toMatchObject({ text: 't', leadSummary: true });
  });
});

describe('echoes', () => {
  const echo = (members: object): ReturnType<typeof parseOne> =>
    parseOne({
      sender: { id: PAGE },
      recipient: { id: USER },
      message: { mid: 'm_e', is_echo: true, ...members },
    });

  test('S10 no echo opens a window or counts as received', () => {
    for (const name of ['echo_own_app', 'echo_page_inbox_human']) {
      const event = first(example(name));
      expect(event.kind).not.toBe('message.received');
      expect(event).toMatchObject({ user: USER, opensWindow: false });
    }
  });

  test('S11 an echo that holds an attachment only is still an echo', () => {
    expect(first(example('echo_page_inbox_human'))).toMatchObject({
      kind: 'message.outside',
      data: { origin: 'page_inbox', appId: '263902037430900', attachments: [{ type: 'image' }] },
    });
  });

  test.each<[string, object, object]>([
    ['our own', { metadata: 'gw:01J:0', app_id: 5 }, { kind: 'message.echo' }],
    ['our own without app', { metadata: 'gw:01J:0' }, { kind: 'message.echo' }],
    [
      'of another app',
      { app_id: 5, text: 'x' },
      { data: { origin: 'app', appId: '5', text: 'x' } },
    ],
    ['of nobody', { text: 'x' }, { kind: 'message.outside', data: { origin: 'app' } }],
    ['with another app’s metadata', { metadata: 'x:1' }, { kind: 'message.outside' }],
    ['of the Instagram inbox', { app_id: '1217981644879628' }, { data: { origin: 'page_inbox' } }],
    [
      'of the inbox as printed elsewhere',
      { app_id: 26390203743090 },
      { data: { origin: 'page_inbox' } },
    ],
    ['of something deleted', { is_deleted: true, metadata: 'gw:1' }, { kind: 'message.deleted' }],
  ])('an echo %s is told apart', (_name, members, expected) => {
    expect(echo(members)).toMatchObject({ user: USER, ...expected });
  });

  test('S07 the user is the side that is not the asset, in both directions', () => {
    expect(echo({ text: 'x' }).user).toBe(USER);
    expect(parseOne({ message: { mid: 'm', text: 'x' } }).user).toBe(USER);
  });

  test('an echo has the key of the message it repeats', () => {
    expect(echo({ metadata: 'gw:1:0' }).dedupeKey).toBe(`msg:${PAGE}:m_e`);
  });

  test('a message of an account to itself has no user', () => {
    const event = parseOne({
      sender: { id: PAGE },
      message: { mid: 'm', is_echo: true, is_self: true, text: 'x' },
    });
    expect(event.user).toBeUndefined();
  });
});

/** members, kind, data, key, opensWindow */
type Row = readonly [string, object, string, object, string | RegExp | undefined, boolean];

const ROWS: readonly Row[] = [
  [
    'a postback with mid',
    {
      postback: {
        mid: 'm_p',
        title: 'Start',
        payload: 'P',
        referral: { ref: 'r', source: 'SHORTLINK' },
      },
    },
    'postback',
    { mid: 'm_p', title: 'Start', payload: 'P', referral: { ref: 'r', source: 'SHORTLINK' } },
    `pb:${AU}:m_p`,
    true,
  ],
  [
    'S49 a postback without mid and payload',
    { postback: { title: 'Talk' } },
    'postback',
    { title: 'Talk' },
    new RegExp(`^pb:${AU}:${EVENT_TIME}:[0-9a-f]{32}$`),
    true,
  ],
  [
    'a reaction',
    { reaction: { mid: 'm', action: 'react', emoji: '❤️', reaction: 'love' } },
    'reaction',
    { mid: 'm', action: 'react', emoji: '❤️', reaction: 'love', by: 'customer' },
    `rx:${AU}:m:react:❤️:${EVENT_TIME}`,
    true,
  ],
  [
    'a reaction without emoji',
    { reaction: { mid: 'm', action: 'react', reaction: 'love' } },
    'reaction',
    { action: 'react', reaction: 'love' },
    `rx:${AU}:m:react:love:${EVENT_TIME}`,
    true,
  ],
  [
    'S22 an unreact without emoji, of an unknown mid',
    { reaction: { mid: 'm', action: 'unreact' } },
    'reaction',
    { mid: 'm', action: 'unreact', by: 'customer' },
    `rx:${AU}:m:unreact::${EVENT_TIME}`,
    false,
  ],
  [
    'S21 an edit with its number in a string',
    { message_edit: { mid: 'm', text: 'new', num_edit: '2' } },
    'message.edited',
    { mid: 'm', text: 'new', edit: 2 },
    `ed:${PAGE}:m:2`,
    false,
  ],
  [
    'S18 a delivery without mids',
    { delivery: { watermark: 1_791_200_140_200 } },
    'message.delivered',
    { watermark: 1_791_200_140_200 },
    undefined,
    false,
  ],
  [
    'a delivery with mids only',
    { delivery: { mids: ['a', 5, 'b'] } },
    'message.delivered',
    { watermark: 0, mids: ['a', 'b'] },
    undefined,
    false,
  ],
  ['a read', { read: { watermark: 1_791_200_140_300 } }, 'message.read', {}, undefined, false],
  [
    'a read of Instagram',
    { read: { mid: 'm' } },
    'message.read',
    { mid: 'm', watermark: 0 },
    `rd:${AU}:m`,
    false,
  ],
  [
    'a referral by link',
    { referral: { ref: 'shelf', source: 'SHORTLINK', type: 'OPEN_THREAD' } },
    'referral',
    { ref: 'shelf', source: 'SHORTLINK', type: 'OPEN_THREAD' },
    new RegExp(`^referral:${AU}:${EVENT_TIME}:[0-9a-f]{32}$`),
    true,
  ],
  [
    'a referral by ad',
    { referral: { source: 'ADS', type: 'OPEN_THREAD', ad_id: 6045246247433 } },
    'referral',
    { source: 'ADS', adId: '6045246247433' },
    /^referral:/,
    false,
  ],
  [
    'an opt-in',
    {
      optin: {
        type: 'notification_messages',
        payload: 'TOPIC',
        notification_messages_token: 'secret-token',
        notification_messages_status: 'STOP NOTIFICATIONS',
      },
    },
    'optin',
    { type: 'notification_messages', payload: 'TOPIC', status: 'STOP NOTIFICATIONS' },
    new RegExp(`^optin:${AU}:${EVENT_TIME}:[0-9a-f]{32}$`),
    false,
  ],
  [
    'an account link',
    { account_linking: { status: 'linked', authorization_code: 'secret-code' } },
    'account',
    { status: 'linked' },
    new RegExp(`^account_linking:${AU}:`),
    false,
  ],
  [
    'S48 a thread that is taken',
    { take_thread_control: { previous_owner_app_id: 5, new_owner_app_id: 263902037430900 } },
    'handover',
    { action: 'take', from: '5', to: '263902037430900' },
    `tc:${AU}:take:5:263902037430900:${EVENT_TIME}`,
    false,
  ],
  [
    'a thread that is asked for',
    { request_thread_control: { requested_owner_app_id: 123, metadata: 'why' } },
    'handover',
    { action: 'request', to: '123', metadata: 'why' },
    `tc:${AU}:request::123:${EVENT_TIME}`,
    false,
  ],
  [
    'a thread that is passed',
    { pass_thread_control: { previous_owner_app_id: null, new_owner_app_id: '7', metadata: '' } },
    'handover',
    { action: 'pass', to: '7' },
    `tc:${AU}:pass::7:${EVENT_TIME}`,
    false,
  ],
  [
    'a rating',
    { response_feedback: { feedback: 'Good response', mid: 'm' } },
    'feedback',
    { feedback: 'Good response', mid: 'm' },
    /^response_feedback:/,
    false,
  ],
  [
    'an answered survey',
    { messaging_feedback: { feedback_screens: [{ screen_id: 0 }] } },
    'feedback',
    { screens: [{ screen_id: 0 }] },
    new RegExp(`^fb:${AU}:[0-9a-f]{32}$`),
    false,
  ],
  [
    'a cart',
    { order: { products: [{ id: 123, unit_price: 89.5, quantity: '2' }, 7], note: 'n' } },
    'order',
    { products: [{ id: '123', unitPrice: 89.5, quantity: 2 }, {}], note: 'n' },
    /^order:/,
    false,
  ],
  [
    'a coupon',
    { template: { type: 'coupon', payload: 'P', coupon_code: 'C10' } },
    'coupon',
    { payload: 'P', coupon: 'C10' },
    /^template:/,
    false,
  ],
  ['a lead form', { form: { id: 77 } }, 'lead', { formId: '77' }, /^form:/, false],
  [
    'something new',
    { message_context: { a: 1 } },
    'unknown',
    { name: 'message_context', raw: { message_context: { a: 1 } } },
    new RegExp(`^unk:${AU}:message_context:${EVENT_TIME}:[0-9a-f]{32}$`),
    false,
  ],
];

describe('other events', () => {
  test.each(ROWS)('%s', (_name, members, kind, data, key, opensWindow) => {
    const event = parseOne({ ...members });
    expect(event).toMatchObject({
      asset: PAGE,
      user: USER,
      kind,
      data,
      opensWindow,
      at: EVENT_TIME,
    });
    if (typeof key === 'object') expect(event.dedupeKey).toMatch(key);
    else expect(event.dedupeKey).toBe(key);
    expect(JSON.stringify(event)).not.toContain('secret-');
  });

  test('S50 a policy event without sender concerns the Page itself', () => {
    const event = first(example('policy_enforcement_block'));
    expect(event).toMatchObject({ kind: 'policy', data: { action: 'block' } });
    expect(event.user).toBeUndefined();
    expect(event.dedupeKey).toBe('pol:998877665544332:block:1791200200000');
  });

  test('roles concern the Page itself', () => {
    const event = parseOne({ sender: undefined, app_roles: { 5: ['primary_receiver'] } });
    expect(event).toMatchObject({ kind: 'roles', data: { roles: { 5: ['primary_receiver'] } } });
    expect(event.user).toBeUndefined();
  });

  test('S33 a completed lead ad keeps its answers and the time in seconds', () => {
    expect(first(example('lead_ad_complete_seconds_timestamp'))).toMatchObject({
      kind: 'lead',
      at: 1_791_200_220_000,
      data: {
        adId: '6302572858686',
        answers: [{ question: 'Do you run a shop?', answer: 'Yes' }, {}],
      },
    });
  });

  test('a reaction of the Page opens nothing', () => {
    const event = parseOne({
      sender: { id: PAGE },
      recipient: { id: USER },
      reaction: { mid: 'm', action: 'react', emoji: 'x' },
    });
    expect(event).toMatchObject({ user: USER, opensWindow: false, data: { by: 'page' } });
  });

  test('a plugin user without id is kept by the reference', () => {
    const event = parseOne({ sender: { user_ref: 'ref-1' }, postback: { mid: 'm', title: 't' } });
    expect(event.user).toBeUndefined();
    expect(event).toMatchObject({ dedupeKey: `pb:${PAGE}:ref-1:m`, data: { userRef: 'ref-1' } });
  });
});

describe('changes', () => {
  const change = (field: string, value: unknown): ReturnType<typeof parseOne> =>
    first(parse(bodyOf({ changes: [{ field, value }] })));

  test('a comment', () => {
    const event = change('feed', {
      item: 'comment',
      verb: 'add',
      comment_id: '1_2',
      post_id: '1_1',
      from: { id: USER, name: 'Ann' },
      message: 'price?',
      created_time: 1_791_200_220,
    });
    expect(event).toMatchObject({
      user: USER,
      kind: 'comment',
      at: 1_791_200_220_000,
      opensWindow: true,
      dedupeKey: `chg:${PAGE}:feed:1_2:add:1791200220000`,
      data: {
        item: 'comment',
        verb: 'add',
        commentId: '1_2',
        from: { id: USER, name: 'Ann' },
        text: 'price?',
      },
    });
  });

  test('a comment of the Page itself belongs to nobody and opens nothing', () => {
    const event = change('feed', { item: 'comment', comment_id: '1', from: { id: PAGE } });
    expect(event.user).toBeUndefined();
    expect(event.opensWindow).toBe(false);
  });

  test('a comment on Instagram', () => {
    const value = {
      id: '17',
      text: 'nice',
      from: { id: USER, username: 'ann' },
      media: { id: '18' },
    };
    expect(change('comments', value)).toMatchObject({
      kind: 'comment',
      data: { commentId: '17', postId: '18', from: { name: 'ann' }, text: 'nice' },
    });
  });

  test('a label', () => {
    const value = { user: { id: USER }, action: 'add', label: { id: 9, page_label_name: 'VIP' } };
    expect(change('inbox_labels', value)).toMatchObject({
      user: USER,
      kind: 'label',
      data: { action: 'add', label: { id: '9', name: 'VIP' } },
    });
  });

  test('changes without ids are told apart by their content', () => {
    const key = (value: unknown): string | undefined => change('novelty', value).dedupeKey;
    expect(key({ a: 1, b: 2 })).toBe(key({ b: 2, a: 1 }));
    expect(key({ a: 1 })).not.toBe(key({ a: 2 }));
  });
});
