// The phone page's WebSocket, as the page uses it.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { createSimulator, type Simulator } from '../../lib/simulator/simulator.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';

const PAGE = '100';
const USER = '7000000000000001';

type Message = Readonly<Record<string, unknown>>;

let gateway: WebhookReceiver;
let simulator: Simulator;
const phones: Phone[] = [];

class Phone {
  readonly seen: Message[] = [];
  readonly socket: WebSocket;
  #waiting: (() => void)[] = [];

  constructor(headers: Record<string, string> = {}) {
    const url = `${simulator.url.replace('http', 'ws')}/phone/live`;
    this.socket = new WebSocket(url, { headers });
    this.socket.on('message', (data) => {
      this.seen.push(JSON.parse(String(data)));
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const resolve of waiting) resolve();
    });
    phones.push(this);
  }

  tell(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  act(action: object): void {
    this.tell({ page: PAGE, user: USER, ...action });
  }

  /** The first message, seen or to come, for which it holds; what came before is forgotten. */
  async next(isWanted: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const index = this.seen.findIndex(isWanted);
      const found = this.seen[index];
      if (found !== undefined) {
        this.seen.splice(0, index + 1);
        return found;
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  thread(isWanted: (messages: readonly Message[], thread: Message) => boolean): Promise<Message> {
    return this.next(
      (message) =>
        message['type'] === 'thread' && isWanted(message['messages'] as Message[], message),
    );
  }

  async open(): Promise<this> {
    await this.next((message) => message['type'] === 'world');
    this.act({ type: 'open' });
    await this.thread(() => true);
    return this;
  }
}

beforeEach(async () => {
  gateway = new WebhookReceiver();
  simulator = createSimulator({
    gatewayUrl: await gateway.start(),
    verifyToken: 'v',
    appId: '5',
    appSecret: 'secret',
    pages: [{ id: PAGE, name: 'Shop', accessToken: 'page-token' }],
  });
  await simulator.start();
});

afterEach(async () => {
  for (const phone of phones.splice(0)) phone.socket.terminate();
  await simulator.stop();
  await gateway.stop();
});

const send = (body: object): Promise<Response> =>
  fetch(`${simulator.url}/v25.0/${PAGE}/messages`, {
    method: 'POST',
    headers: { authorization: 'Bearer page-token', 'content-type': 'application/json' },
    body: JSON.stringify({ recipient: { id: USER }, ...body }),
  });

const text = (value: string): object => ({ messaging_type: 'RESPONSE', message: { text: value } });

describe('a phone', () => {
  test('is told who exists, then shows a thread', async () => {
    const phone = new Phone();
    const world = await phone.next((message) => message['type'] === 'world');
    expect(world).toMatchObject({
      pages: [{ id: PAGE, name: 'Shop' }],
      customers: [{ id: USER, name: 'Ann Miller' }, {}, {}],
      webhooks: { hold: false },
    });
    expect(JSON.stringify(world)).not.toContain('page-token');
    phone.act({ type: 'open' });
    expect(await phone.thread(() => true)).toMatchObject({
      messages: [],
      typing: false,
      seenAt: 0,
    });
  });

  test('writes, and a second phone on the same thread sees it', async () => {
    const [one, two] = [await new Phone().open(), await new Phone().open()];
    one.act({ type: 'text', text: 'hi' });
    expect(await one.next((message) => message['type'] === 'result')).toMatchObject({ ok: true });
    await two.thread((messages) => messages[0]?.['text'] === 'hi');
    await simulator.settled();
    expect(gateway.received).toHaveLength(1);
  });

  test('sees typing, the answer and the seen mark, and reads at once', async () => {
    const phone = await new Phone().open();
    phone.act({ type: 'text', text: 'hi' });
    await send({ sender_action: 'typing_on' });
    await phone.thread((_messages, thread) => thread['typing'] === true);
    await send({ sender_action: 'mark_seen' });
    await phone.thread((_messages, thread) => Number(thread['seenAt']) > 0);
    await send(text('hello'));
    await phone.thread((messages, thread) => messages.length === 2 && thread['typing'] === false);
    await gateway.arrived(4);
    expect(
      gateway.received.map(({ bytes }) => /"(read|delivery|is_echo)"/.exec(String(bytes))?.[1]),
    ).toEqual(expect.arrayContaining(['is_echo', 'delivery', 'read']));
  });

  test('reads nothing while nobody looks at it', async () => {
    const phone = await new Phone().open();
    phone.act({ type: 'open', visible: false });
    await phone.thread(() => true);
    await send(text('hello'));
    await phone.thread((messages) => messages.length === 1);
    expect(simulator.world.thread(PAGE, USER).readAt).toBe(0);
    phone.act({ type: 'open', visible: true });
    await gateway.arrived(3);
    expect(simulator.world.thread(PAGE, USER).readAt).toBeGreaterThan(0);
  });

  test('stops reading when it is gone', async () => {
    const phone = await new Phone().open();
    const closed = new Promise((resolve) => phone.socket.on('close', resolve));
    phone.socket.close();
    await closed;
    await send(text('hello'));
    await gateway.arrived(2);
    expect(simulator.world.thread(PAGE, USER).readAt).toBe(0);
  });

  test('gets the newest two hundred messages', async () => {
    for (let n = 0; n < 201; n++) simulator.inboxSends(PAGE, USER, `n${n}`);
    const phone = new Phone();
    await phone.next((message) => message['type'] === 'world');
    phone.act({ type: 'open' });
    const { messages } = await phone.thread(() => true);
    expect(messages).toHaveLength(200);
    expect(messages).toMatchObject(
      expect.arrayContaining([expect.objectContaining({ text: 'n1' })]),
    );
  });

  test('makes a new customer', async () => {
    const phone = await new Phone().open();
    phone.tell({ type: 'customer', name: 'Eve' });
    const world = await phone.next((message) => message['type'] === 'world');
    expect(simulator.world.customer(String(world['created']))?.name).toBe('Eve');
  });

  test('arms faults and hears of what is not possible', async () => {
    const phone = await new Phone().open();
    phone.tell({ type: 'faults', send: { kind: 'lost_answer' }, webhooks: { hold: true } });
    expect(await phone.next((message) => message['type'] === 'result')).toMatchObject({ ok: true });
    expect(simulator.faults.waiting).toBe(1);
    expect(simulator.faults.webhooks.hold).toBe(true);
    phone.act({ type: 'react', mid: 'none', emoji: 'x' });
    expect(await phone.next((message) => message['type'] === 'result')).toMatchObject({
      ok: false,
    });
  });

  test('ignores what names nobody, and leaves after what is not JSON', async () => {
    const phone = await new Phone().open();
    phone.tell({ type: 'open', page: '999', user: USER });
    phone.tell({ type: 'open', page: PAGE });
    phone.tell([1]);
    phone.act({ type: 'text', text: 'still there' });
    await phone.thread((messages) => messages.length === 1);
    const closed = new Promise((resolve) => phone.socket.on('close', resolve));
    phone.socket.send('{');
    expect(await closed).toBe(1007);
  });
});

test.each([
  ['a page of another site', { origin: 'https://evil.example' }],
  ['a name that is not loopback', { host: 'evil.example' }],
])('%s gets no phone', async (_name, headers) => {
  const phone = new Phone(headers);
  const failed = new Promise<Error>((resolve) => phone.socket.on('error', resolve));
  expect((await failed).message).toContain('403');
});
