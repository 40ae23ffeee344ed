// Topics: named sets of sockets that a message goes to. A message is encoded once and written once; the
// loop fans it out. Sockets whose queue is full are skipped and their route is told.

import type { Audience, Connection, Loop } from '../../net/types.ts';
import { OPCODE } from '../../websocket/protocol.ts';
import type { PublishResult, SendOptions } from '../types.ts';
import { PublishFrames } from './publish-frames.ts';
import type { PublishGroup } from './publish-group.ts';
import type { QueueBudget } from './queue-budget.ts';
import type { SocketCounters } from './socket-counters.ts';
import { NO_TOPICS, WebSocketConnection } from './websocket-connection.ts';
import type { RunQueue } from './websocket-context.ts';
import { TOPIC_LENGTH_MAX, TOPICS_PER_SOCKET_MAX } from './websocket-limits.ts';

/** The sockets of one topic, apart by what is written to them: usually all get the same. */
type Topic = Map<PublishGroup, Audience>;

/** What topics share with the sockets of their server. */
export interface TopicGround {
  readonly runs: RunQueue;
  readonly budget: QueueBudget;
  readonly counters: SocketCounters;
}

/** One publish on its way. */
interface Publish {
  readonly topic: string;
  readonly frames: PublishFrames;
  readonly key?: string | undefined;
  readonly except?: WebSocketConnection | undefined;
}

export class Topics {
  readonly #loop: Pick<Loop, 'audience'>;
  readonly #ground: TopicGround;
  readonly #topics = new Map<string, Topic>();
  /** Whom the fan-out in progress has passed over. */
  #passedOver: WebSocketConnection[] = [];
  readonly #passOver = (connection: Connection): void => {
    const { owner } = connection;
    if (owner instanceof WebSocketConnection) this.#passedOver.push(owner);
  };

  constructor(loop: Pick<Loop, 'audience'>, ground: TopicGround) {
    this.#loop = loop;
    this.#ground = ground;
  }

  /** @returns false when it is subscribed already, or a bound is reached */
  subscribe(link: WebSocketConnection, name: string): boolean {
    const { topics } = link;
    if (topics.has(name) || topics.size >= TOPICS_PER_SOCKET_MAX) return false;
    if (name.length > TOPIC_LENGTH_MAX) return false;
    if (topics === NO_TOPICS) link.topics = new Set([name]);
    else topics.add(name);
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      topic = new Map();
      this.#topics.set(name, topic);
    }
    let audience = topic.get(link.publishGroup);
    if (audience === undefined) {
      audience = this.#loop.audience(link.route.highWaterBytes);
      topic.set(link.publishGroup, audience);
    }
    audience.add(link.connection);
    return true;
  }

  /** @returns false when it was not subscribed */
  unsubscribe(link: WebSocketConnection, name: string): boolean {
    if (!link.topics.delete(name)) return false;
    this.#remove(link, name);
    return true;
  }

  /** Removes a socket from all its topics. */
  leaveAll(link: WebSocketConnection): void {
    if (link.topics.size === 0) return;
    for (const name of link.topics) this.#remove(link, name);
    link.topics = NO_TOPICS;
  }

  /** Topics that somebody is subscribed to. */
  get count(): number {
    return this.#topics.size;
  }

  subscriberCount(name: string): number {
    let count = 0;
    const topic = this.#topics.get(name);
    if (topic !== undefined) for (const audience of topic.values()) count += audience.size;
    return count;
  }

  /**
   * Writes one frame to all subscribers whose pending bytes are below their bound.
   * @param except gets nothing and does not count
   */
  publish(
    name: string,
    data: string | Uint8Array,
    options: SendOptions = {},
    except?: WebSocketConnection,
  ): PublishResult {
    const topic = this.#topics.get(name);
    if (topic === undefined) return NOBODY;
    const isBinary = options.binary ?? typeof data !== 'string';
    const opcode = isBinary ? OPCODE.binary : OPCODE.text;
    const frames = new PublishFrames(opcode, [data], options.compress);
    return this.#write(topic, { topic: name, frames, key: options.key, except });
  }

  /** Writes several text frames at once: a subscriber gets all of them, in order, or is skipped. */
  publishAll(name: string, texts: readonly string[]): PublishResult {
    const topic = this.#topics.get(name);
    if (topic === undefined || texts.length === 0) return NOBODY;
    const frames = new PublishFrames(OPCODE.text, texts, undefined);
    return this.#write(topic, { topic: name, frames });
  }

  #write(topic: Topic, publish: Publish): PublishResult {
    const { runs, counters } = this.#ground;
    const { except } = publish;
    // What was sent to a subscriber before must arrive before.
    runs.flushAll();
    const isExcepted = except?.topics.has(publish.topic) === true;
    const subscribers = this.subscriberCount(publish.topic) - (isExcepted ? 1 : 0);
    let taken = 0;
    for (const [group, audience] of topic) taken += this.#fanOut(group, audience, publish);
    counters.publishes++;
    counters.delivered += taken;
    if (this.#passedOver.length > 0) taken += this.#offer(publish);
    return { subscribers, dropped: subscribers - taken };
  }

  #fanOut({ route, deflater }: PublishGroup, audience: Audience, publish: Publish): number {
    const keepsLatest = publish.key !== undefined && route.slow === 'latest';
    const bytesMax = keepsLatest ? route.highWaterBytes : route.queueBytesMax;
    const bound = this.#ground.budget.boundOf(bytesMax);
    const except = publish.except?.connection;
    const queuedBefore = audience.queuedCount;
    const taken = audience.write(publish.frames.for(deflater), bound, this.#passOver, except);
    this.#ground.counters.queued += audience.queuedCount - queuedBefore;
    return taken;
  }

  /** Each that was passed over may still keep the frames. @returns how many did */
  #offer(publish: Publish): number {
    const passedOver = this.#passedOver;
    // A report may publish in its turn.
    this.#passedOver = [];
    let kept = 0;
    for (const link of passedOver) {
      if (link.takePublished(publish.topic, publish.frames.plain, publish.key)) kept++;
    }
    this.#ground.counters.queued += kept;
    return kept;
  }

  #remove(link: WebSocketConnection, name: string): void {
    const topic = this.#topics.get(name);
    const audience = topic?.get(link.publishGroup);
    if (topic === undefined || audience === undefined) return;
    audience.remove(link.connection);
    if (audience.size > 0) return;
    topic.delete(link.publishGroup);
    if (topic.size === 0) this.#topics.delete(name);
  }
}

const NOBODY: PublishResult = { subscribers: 0, dropped: 0 };
