// Meta played locally: one object that joins the world, the Graph API and the webhooks, and serves them
// on the product's own server. Loopback only. What it does wrong, it does because somebody asked for it.

import { randomInt } from 'node:crypto';
import { type Clock, systemClock } from '../base/clock.ts';
import { SluiceError } from '../base/errors.ts';
import { isLoopbackHost } from '../base/ip-address.ts';
import { createServer } from '../server/server.ts';
import type { Server } from '../server/types.ts';
import { Faults } from './faults.ts';
import { GraphApi } from './graph-api.ts';
import { LIKE_STICKER_ID } from './pictures.ts';
import { addRoutes, isExpectedFailure } from './routes.ts';
import type {
  CustomerMessage,
  GraphCallRecord,
  PhoneMessage,
  SentMessage,
  SimulatorOptions,
  WebhookCounts,
} from './types.ts';
import { WebhookCourier } from './webhook-courier.ts';
import {
  deliveryEvent,
  echoEvent,
  editEvent,
  messageEvent,
  postbackEvent,
  reactionEvent,
  readEvent,
  type WebhookEvent,
} from './webhook-events.ts';
import { newMid } from './wire.ts';
import { type Thread, World } from './world.ts';

/** The inbox of Meta Business Suite. */
const INBOX_APP_ID = '263902037430900';
const CLOSE_DEADLINE_MS = 1000;

/** @throws SluiceError ERR_ARG_RANGE when `host` is not loopback */
export function createSimulator(options: SimulatorOptions): Simulator {
  return new Simulator(options);
}

export class Simulator {
  readonly faults: Faults;
  readonly world: World;
  readonly graph: GraphApi;
  readonly #options: SimulatorOptions;
  readonly #clock: Clock;
  readonly #courier: WebhookCourier;
  /** Threads that a phone shows: what arrives there is read at once. */
  readonly #viewed = new Map<string, number>();
  #server: Server | undefined;
  #url: string | undefined;

  constructor(options: SimulatorOptions) {
    if (!isLoopbackHost(options.host ?? '127.0.0.1')) {
      throw new SluiceError('ERR_ARG_RANGE', 'The simulator listens on loopback only.');
    }
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.faults = new Faults(() => this.#courier.wake());
    this.world = new World(this.#clock, options.pages, options.customers);
    this.graph = new GraphApi({
      world: this.world,
      clock: this.#clock,
      appId: options.appId,
      appSecret: options.appSecret,
      pictureUrl: (user) => `${this.#url ?? ''}/pictures/${user}.svg`,
      takeFault: () => this.faults.takeSend(),
      publish: (sent, thread) => this.#publishSent(sent, thread),
    });
    this.#courier = this.#createCourier();
  }

  /**
   * Address of the Graph API and of the phone page; set by start(). @throws SluiceError ERR_STATE
   * before
   */
  get url(): string {
    if (this.#url === undefined)
      throw new SluiceError('ERR_STATE', 'The simulator is not started.');
    return this.#url;
  }

  /** Every call of the Graph API, oldest first. */
  get calls(): readonly GraphCallRecord[] {
    return this.graph.calls;
  }

  /** Every message that "Meta" accepted, oldest first. */
  get sentMessages(): readonly SentMessage[] {
    return this.graph.sentMessages;
  }

  get webhooks(): WebhookCounts {
    return this.#courier.counts;
  }

  /**
   * @throws SluiceError ERR_STATE the second time, ERR_SYSTEM when the port is taken,
   * ERR_NATIVE_MISSING
   */
  async start(): Promise<{ readonly url: string; readonly port: number }> {
    if (this.#server !== undefined) throw new SluiceError('ERR_STATE', 'It is started already.');
    this.#server = createServer({
      host: this.#options.host ?? '127.0.0.1',
      port: this.#options.port ?? 0,
      onError: (error) => this.#onServerError(error),
    });
    addRoutes(this.#server, this);
    const { host, port } = await this.#server.listen();
    this.#url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
    return { url: this.#url, port };
  }

  /** Webhooks that wait are lost. */
  async stop(): Promise<void> {
    await this.#courier.stop();
    await this.#server?.close({ deadlineMs: CLOSE_DEADLINE_MS });
  }

  /** Resolves when every webhook has been taken by the gateway. */
  settled(): Promise<void> {
    return this.#courier.settled();
  }

  /**
   * Asks the gateway as Meta does when the address is set. @returns whether it answered the
   * challenge
   */
  async verifyWebhook(): Promise<boolean> {
    const challenge = String(randomInt(1, 2 ** 31));
    const url = new URL(this.#webhookUrl());
    url.searchParams.set('hub.mode', 'subscribe');
    url.searchParams.set('hub.verify_token', this.#options.verifyToken);
    url.searchParams.set('hub.challenge', challenge);
    const answer = await fetch(url, { redirect: 'manual' });
    return answer.status === 200 && (await answer.text()) === challenge;
  }

  /** A customer writes. Unknown users come into being. @returns the mid */
  customerSends(page: string, user: string, content: CustomerMessage): string {
    const thread = this.world.thread(page, user);
    const quickReply = 'quickReply' in content ? content.quickReply : undefined;
    const message: PhoneMessage = {
      mid: newMid(),
      at: this.world.stamp(thread),
      from: 'customer',
      ...this.#contentOf(content),
    };
    this.world.act(thread);
    this.world.add(thread, message);
    this.#carry(messageEvent({ page, user, at: message.at }, message, quickReply?.payload));
    return message.mid;
  }

  /** A customer taps a button of the Page (Get Started, a template's button). @returns the mid */
  customerTaps(page: string, user: string, title: string, payload: string): string {
    const thread = this.world.thread(page, user);
    const at = this.world.stamp(thread);
    const mid = newMid();
    this.world.act(thread);
    this.world.add(thread, { mid, at, from: 'customer', text: title });
    this.#carry(postbackEvent({ page, user, at }, mid, title, payload));
    return mid;
  }

  /**
   * @param emoji undefined takes the reaction back
   * @returns false when the thread does not hold the message
   */
  customerReacts(page: string, user: string, mid: string, emoji: string | undefined): boolean {
    const thread = this.world.thread(page, user);
    const { customer: _own, ...others } = this.world.find(thread, mid)?.reactions ?? {};
    const reactions = emoji === undefined ? others : { ...others, customer: emoji };
    if (!this.world.update(thread, mid, { reactions })) return false;
    this.world.act(thread);
    this.#carry(reactionEvent({ page, user, at: this.world.stamp(thread) }, mid, emoji));
    return true;
  }

  /** @returns false when the message is not the customer's own */
  customerEdits(page: string, user: string, mid: string, text: string): boolean {
    const thread = this.world.thread(page, user);
    const message = this.world.find(thread, mid);
    if (message?.from !== 'customer') return false;
    const edits = (message.edits ?? 0) + 1;
    this.world.update(thread, mid, { text, edits });
    this.#carry(editEvent({ page, user, at: this.world.stamp(thread) }, mid, text, edits));
    return true;
  }

  /** The customer looks at the thread: everything of the Page is read. */
  customerReads(page: string, user: string): void {
    const thread = this.world.thread(page, user);
    const last = thread.messages.findLast((message) => message.from === 'page');
    if (last === undefined || last.at <= thread.readAt) return;
    thread.readAt = last.at;
    this.world.changed(thread);
    this.#carry(readEvent({ page, user, at: this.#clock.now() }, last.at));
  }

  /** Somebody answers in the Page's inbox, past the app. @returns the mid */
  inboxSends(page: string, user: string, text: string): string {
    const thread = this.world.thread(page, user);
    const at = this.world.stamp(thread);
    const message: PhoneMessage = { mid: newMid(), at, from: 'page', text, fromInbox: true };
    this.world.add(thread, message);
    this.#carry(echoEvent({ page, user, at }, message, INBOX_APP_ID, undefined));
    return message.mid;
  }

  /** A phone shows the thread until the returned function is called. */
  view(page: string, user: string): () => void {
    const key = `${page}/${user}`;
    this.#viewed.set(key, (this.#viewed.get(key) ?? 0) + 1);
    this.customerReads(page, user);
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      const left = (this.#viewed.get(key) ?? 1) - 1;
      if (left === 0) this.#viewed.delete(key);
      else this.#viewed.set(key, left);
    };
  }

  /** Delivers any event; for shapes that nobody here produces. */
  deliver(event: WebhookEvent): Promise<boolean> {
    return this.#courier.carry(event);
  }

  #contentOf(content: CustomerMessage): Partial<PhoneMessage> {
    if ('text' in content) {
      const { text, replyTo } = content;
      return replyTo === undefined ? { text } : { text, replyTo };
    }
    if ('imageUrl' in content) return { attachments: [{ type: 'image', url: content.imageUrl }] };
    if ('quickReply' in content) return { text: content.quickReply.title };
    const url = `${this.#url ?? 'http://127.0.0.1'}/pictures/like.svg`;
    return { attachments: [{ type: 'sticker', url, stickerId: LIKE_STICKER_ID }] };
  }

  /** Echo, delivery, and a read when a phone shows the thread. */
  async #publishSent(sent: SentMessage, thread: Thread): Promise<void> {
    const { page, user, at, mid } = sent;
    const place = { page, user, at };
    const message = this.world.find(thread, mid);
    if (message === undefined) return;
    const echo = this.#carry(echoEvent(place, message, this.#options.appId, sent.metadata));
    if (this.#options.delivers !== false) this.#carry(deliveryEvent(place, [mid]));
    if (this.#viewed.has(`${page}/${user}`)) this.customerReads(page, user);
    await echo;
  }

  #carry(event: WebhookEvent): Promise<boolean> {
    if (!this.graph.subscriptions.has(event.page, event.field)) return Promise.resolve(false);
    return this.#courier.carry(event);
  }

  #createCourier(): WebhookCourier {
    const { appSecret, order = 'page', batchMax = 1, seed, webhookTimeoutMs } = this.#options;
    return new WebhookCourier({
      url: this.#webhookUrl(),
      appSecret,
      clock: this.#clock,
      faults: this.faults,
      order,
      batchMax,
      random: seededRandom(seed ?? randomInt(2 ** 31)),
      ...(webhookTimeoutMs === undefined ? undefined : { timeoutMs: webhookTimeoutMs }),
    });
  }

  #webhookUrl(): string {
    const { gatewayUrl, webhookPath = '/webhook/messenger' } = this.#options;
    return new URL(webhookPath, gatewayUrl).href;
  }

  #onServerError(error: unknown): void {
    if (isExpectedFailure(error)) return;
    const reason = error instanceof Error ? error.message : 'unknown';
    this.#options.log?.error({ reason }, 'The simulator failed to answer.');
  }
}

/** mulberry32: the same seed, the same shuffle. */
function seededRandom(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
