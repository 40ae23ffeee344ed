// messenger.md section 9, "Parsing": S23 to S29 and S31 to S33. Whatever stands in a body: the neighbours are
// read, the answer is 200, and nobody sees an empty bubble.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { signatureOf } from '../../lib/simulator/wire.ts';
import {
  APP_SECRET,
  conversationOf,
  entryOf,
  exampleBody,
  fromCustomer,
  INSTAGRAM,
  type Json,
  OTHER_PAGE,
  PAGE,
  type Person,
  ScenarioRig,
  textOf,
  VECTOR_PAGE,
} from '../support/scenario-rig.ts';

const USER = '7410258963014785';
const CONVERSATION = conversationOf(USER);
const START = Date.now() - 60_000;

let rig: ScenarioRig;
let ann: Person;

beforeEach(async () => {
  rig = await ScenarioRig.start();
  ann = await rig.join();
});
afterEach(() => rig.dispose());

const photo = (name: string): Json => {
  return { type: 'image', payload: { url: `https://cdn.example/${name}.jpg` } };
};

test('S23 entry without messaging: standby, changes or nothing at all, the other entries are processed', async () => {
  const comment = { item: 'comment', verb: 'add', comment_id: '1_2', post_id: '1_1' };
  const value = { ...comment, from: { id: '55', name: 'Kim' }, message: 'nice', created_time: 5 };
  await rig.deliverEntries(
    entryOf({ standby: [fromCustomer(USER, textOf('m_s23-1', 'are you there?'), START)] }),
    entryOf({ changes: [{ field: 'feed', value }] }),
    entryOf({}),
    entryOf({ messaging: null, standby: 'none', changes: {} }),
    entryOf({ messaging: [fromCustomer(USER, textOf('m_s23-2', 'hello'), START + 1)] }),
  );
  await rig.deliver(exampleBody('standby_message_and_postback'));
  expect(await ann.bubbles(CONVERSATION)).toMatchObject([
    { text: 'are you there?' },
    { text: 'hello' },
  ]);
  const standby = ann.events.find(({ data }) => data['mid'] === 'm_s23-1');
  expect(standby).toMatchObject({ standby: true });
  expect(ann.eventsOf('comment')).toMatchObject([{ data: { text: 'nice' } }]);
  expect(ann.eventsOf('message.received')).toHaveLength(3);
});

test('S24 dashboard Test button: 200, counted and logged, nothing is stored', async () => {
  await rig.deliver(exampleBody('dashboard_test_changes'));
  expect(rig.records()).toEqual([]);
  expect(rig.gateway.stats()).toMatchObject({ webhooksAccepted: 1, unconfiguredEvents: 1 });
  expect(rig.logged.filter((line) => line.includes('test event'))).toHaveLength(1);

  // The newer form of it wraps an event, addressed to a Page that is ours.
  const wrapped = fromCustomer(USER, textOf('m_s24', 'test'), START);
  await rig.deliverEntries(entryOf({ changes: [{ field: 'messages', value: wrapped }] }));
  await rig.deliverEntries(entryOf({ messaging: [fromCustomer(USER, textOf('m_s24-2', 'real'))] }));
  expect(await ann.bubbles(CONVERSATION)).toMatchObject([{ text: 'real' }]);
});

test('S25 only entry[0].messaging[0]: three entries of four events are twelve events', async () => {
  const pages = [PAGE, OTHER_PAGE, PAGE];
  const entries = pages.map((page, entry) => {
    const messaging = [0, 1, 2, 3].map((index) =>
      fromCustomer(USER, textOf(`m_s25-${entry}-${index}`, `${entry}.${index}`), START, page),
    );
    return entryOf({ messaging }, page);
  });
  await rig.deliverEntries(...entries);
  expect(rig.gateway.stats().events).toBe(12);
  await ann.shown(CONVERSATION);
  const first = ['0.0', '0.1', '0.2', '0.3', '2.0', '2.1', '2.2', '2.3'];
  expect(ann.texts(CONVERSATION)).toEqual(first);
  const other = conversationOf(USER, OTHER_PAGE);
  await ann.shown(other);
  expect(ann.texts(other)).toEqual(['1.0', '1.1', '1.2', '1.3']);
});

test('S26 only attachments[0]: every photo of an album is shown', async () => {
  await rig.deliver(exampleBody('image_album_three_attachments'));
  const album = conversationOf('8520369741258963');
  const [bubble] = await ann.bubbles(album);
  expect(bubble?.attachments.map(({ url }) => url?.replace(/\?.*/, ''))).toEqual(
    [1, 2, 3].map((n) => `https://scontent.xx.fbcdn.net/v/t1.15752-9/441001${n}.jpg`),
  );
  const attachments = Array.from({ length: 30 }, (_, index) => photo(String(index)));
  await rig.deliverEvents(fromCustomer(USER, { message: { mid: 'm_s26', attachments } }, START));
  const [large] = await ann.bubbles(CONVERSATION);
  expect(large?.attachments.map(({ index }) => index)).toEqual(attachments.map((_, at) => at));
});

test.each(['ephemeral', 'sticker', 'ig_post', 'hologram'])(
  'S27 unknown attachment type %s: the message is kept with the type, its neighbour too',
  async (type) => {
    const odd = { type, payload: { url: 'https://cdn.example/odd', whatever: [1, { a: null }] } };
    const attachments = [odd, photo('beside')];
    await rig.deliverEvents(
      fromCustomer(USER, { message: { mid: 'm_s27', text: 'look', attachments } }, START),
      fromCustomer(USER, textOf('m_s27-2', 'next'), START + 1),
    );
    expect(await ann.bubbles(CONVERSATION)).toMatchObject([
      { text: 'look', attachments: [{ type }, { type: 'image' }], isUnsupported: false },
      { text: 'next' },
    ]);
    expect(rig.gateway.stats().damagedEvents).toBe(0);
  },
);

test.each<{ readonly name: string; readonly message: Json }>([
  { name: 'is_unsupported', message: { is_unsupported: true } },
  { name: 'neither text nor attachments', message: {} },
  { name: 'an empty text', message: { text: '' } },
  { name: 'a share without anything', message: { attachments: [{ type: 'fallback' }] } },
  { name: 'a payload of null', message: { attachments: [{ type: 'fallback', payload: null }] } },
  { name: 'ephemeral only', message: { attachments: [{ type: 'ephemeral', payload: {} }] } },
])('S28 unsupported, $name: a placeholder instead of an empty bubble', async ({ message }) => {
  await rig.deliverEvents(fromCustomer(USER, { message: { mid: 'm_s28', ...message } }, START));
  expect(await ann.bubbles(CONVERSATION)).toMatchObject([{ text: '', isUnsupported: true }]);
  expect(rig.recordsOf('message.received')[0]?.data).toMatchObject({ unsupported: true });
});

describe('S29 unsend', () => {
  const unsend = (mid: string): Json =>
    fromCustomer(USER, { message: { mid, is_deleted: true } }, START + 5);

  test('S29 unsend: an update of the message, its media gone, agents told live', async () => {
    const attachments = [photo('secret')];
    await rig.deliverEvents(
      fromCustomer(USER, textOf('m_s29-0', 'hello'), START),
      fromCustomer(USER, { message: { mid: 'm_s29', text: 'my card', attachments } }, START + 1),
    );
    await until2Bubbles();
    await rig.deliverEvents(unsend('m_s29'));
    await ann.event('message.deleted');
    expect(await ann.bubbles(CONVERSATION)).toMatchObject([
      { text: 'hello', isDeleted: false },
      { text: '', attachments: [], isDeleted: true, isUnsupported: false },
    ]);
    const { conversations } = await ann.desk.list({ state: 'all' });
    expect(conversations[0]?.last.text).toBe('');
    expect(ann.store.conversation(CONVERSATION)?.last).toEqual(conversations[0]?.last);
  });

  test('S29 unsend before the message itself: it never shows', async () => {
    await rig.deliverEvents(
      unsend('m_s29'),
      fromCustomer(USER, textOf('m_s29', 'my card'), START + 1),
    );
    expect(await ann.bubbles(CONVERSATION)).toMatchObject([{ text: '', isDeleted: true }]);
    expect(ann.store.conversation(CONVERSATION)?.last.text).toBe('');
  });

  test('S29 unsend on Instagram: one message, deleted', async () => {
    await rig.deliver(exampleBody('instagram_story_reply_then_unsend'));
    const thread = conversationOf('6841100987654321', INSTAGRAM);
    expect(await ann.bubbles(thread)).toMatchObject([{ text: '', isDeleted: true }]);
  });

  async function until2Bubbles(): Promise<void> {
    expect((await ann.bubbles(CONVERSATION)).at(-1)).toMatchObject({ text: 'my card' });
    expect(ann.store.conversation(CONVERSATION)?.last.text).toBe('my card');
  }
});

describe('signatures', () => {
  const escaped = String.raw`{"object":"page","entry":[{"id":"100200300400500","time":1790000000123,"messaging":[{"sender":{"id":"7000000000000001"},"recipient":{"id":"100200300400500"},"timestamp":1790000000001,"message":{"mid":"m_test-vector-1","text":"\u00e4\u00f6\u00e5 \ud83d\ude00 https:\/\/ex.am\/p"}}]}]}`;
  const header = 'sha256=83f782501951ba48640ecc11f81ba9af68f7ad05a997168a64d2f7a55efbe09e';
  const thread = conversationOf('7000000000000001', VECTOR_PAGE);

  test('S31 signature over re-serialised JSON: the raw bytes count, the vectors of section 2.1 hold', async () => {
    expect(Buffer.byteLength(escaped)).toBe(283);
    const posted = await rig.post(escaped, { 'x-hub-signature-256': header });
    expect(posted.status).toBe(200);
    expect(await ann.bubbles(thread)).toMatchObject([{ text: 'äöå 😀 https://ex.am/p' }]);

    const again = JSON.stringify(JSON.parse(escaped));
    expect(Buffer.byteLength(again)).toBe(260);
    expect(signatureOf(again, APP_SECRET)).toBe(
      'sha256=aad41797bef04d05c936cb7c065c20c1307eb4d1b0ed8a11890da9f251b8dbab',
    );
    expect((await rig.post(again, { 'x-hub-signature-256': header })).status).toBe(401);
    await rig.deliver(exampleBody('file_pdf_unicode_text'));
    const french = conversationOf('6201478523690147', OTHER_PAGE);
    expect((await ann.bubbles(french))[0]?.text).toBe('äöå — voilà la facture / 请查收 📎');
  });

  test.each<{ readonly name: string; readonly headers: Readonly<Record<string, string>> }>([
    { name: 'no header', headers: {} },
    {
      name: 'the old one only',
      headers: { 'x-hub-signature': 'sha1=14520b7630db271b34b8c08a25a9d77ff6b06097' },
    },
    { name: 'an empty one', headers: { 'x-hub-signature-256': '' } },
    { name: 'without its prefix', headers: { 'x-hub-signature-256': header.slice(7) } },
    { name: 'too short', headers: { 'x-hub-signature-256': header.slice(0, -2) } },
    { name: 'of another secret', headers: { 'x-hub-signature-256': signatureOf(escaped, 'x') } },
  ])(
    'S32 missing signature header accepted, $name: 401 and nothing is stored',
    async ({ headers }) => {
      expect((await rig.post(escaped, headers)).status).toBe(401);
      expect(rig.records()).toEqual([]);
      expect(rig.gateway.stats()).toMatchObject({ webhooks: 0, webhooksRefused: 1 });
    },
  );
});

test('S33 seconds vs milliseconds: a lead with a timestamp in seconds stands at its time, not in 1970', async () => {
  const shopper = conversationOf('8520369741258963');
  const at = 1_791_200_220_000;
  await rig.deliverEvents(
    fromCustomer('8520369741258963', textOf('m_s33-1', 'before the form'), at - 1_000),
    fromCustomer('8520369741258963', textOf('m_s33-2', 'after the form'), at + 1_000),
  );
  await rig.deliver(exampleBody('lead_ad_complete_seconds_timestamp'));
  await rig.deliver(exampleBody('optin_notification_messages'));
  expect(await ann.shown(shopper)).toMatchObject([
    { text: 'before the form' },
    { type: 'note', kind: 'lead', at },
    { text: 'after the form' },
  ]);
  const optin = await ann.shown(conversationOf('6201478523690147'));
  expect(optin).toMatchObject([{ kind: 'optin', at: 1_791_200_210_000 }]);
});
