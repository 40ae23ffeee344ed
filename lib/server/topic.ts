// Topics: named sets of sockets that a message goes to. A message is encoded once and written once; the
// loop fans it out. Sockets whose queue is full are skipped and their route is told.

import type { Audience, Connection, Loop } from '../net/types.ts';
import { encodeFrame, encodeTextFrames } from '../websocket/frame-encoder.ts';
import { OPCODE } from '../websocket/protocol.ts';
import type { PublishResult, SendOptions } from './types.ts';
import { WebSocketConnection } from './websocket-connection.ts';
import type { RunQueue } from './websocket-context.ts';
import { TOPIC_LENGTH_MAX, TOPICS_PER_SOCKET_MAX } from './websocket-limits.ts';

/** The sockets of one topic, apart by their bound of pending bytes: usually all have the same. */
interface Topic {
  readonly audiences: Map<number, Audience>;
  readonly skipped: (connection: Connection) => void;
}

export class Topics {
  readonly #loop: Pick<Loop, 'audience'>;
  readonly #runs: RunQueue;
  readonly #topics = new Map<string, Topic>();

  constructor(loop: Pick<Loop, 'audience'>, runs: RunQueue) {
    this.#loop = loop;
    this.#runs = runs;
  }

  /** @returns false when it is subscribed already, or a bound is reached */
  subscribe(link: WebSocketConnection, name: string): boolean {
    const { topics } = link;
    if (topics.has(name) || topics.size >= TOPICS_PER_SOCKET_MAX) return false;
    if (name.length > TOPIC_LENGTH_MAX) return false;
    topics.add(name);
    const topic = this.#topics.get(name) ?? this.#create(name);
    let audience = topic.audiences.get(link.queueBytesMax);
    if (audience === undefined) {
      audience = this.#loop.audience();
      topic.audiences.set(link.queueBytesMax, audience);
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
    link.topics.clear();
  }

  subscriberCount(name: string): number {
    let count = 0;
    const topic = this.#topics.get(name);
    if (topic !== undefined)
      for (const audience of topic.audiences.values()) count += audience.size;
    return count;
  }

  /** Writes one frame to all subscribers whose pending bytes are below their bound. */
  publish(name: string, data: string | Uint8Array, options: SendOptions = {}): PublishResult {
    const topic = this.#topics.get(name);
    if (topic === undefined) return NOBODY;
    const isBinary = options.binary ?? typeof data !== 'string';
    return this.#write(name, topic, encodeFrame(isBinary ? OPCODE.binary : OPCODE.text, data));
  }

  /** Writes several text frames at once: a subscriber gets all of them, in order, or is skipped. */
  publishAll(name: string, texts: readonly string[]): PublishResult {
    const topic = this.#topics.get(name);
    if (topic === undefined || texts.length === 0) return NOBODY;
    return this.#write(name, topic, encodeTextFrames(texts));
  }

  #write(name: string, topic: Topic, frames: Buffer): PublishResult {
    // What was sent to a subscriber before must arrive before.
    this.#runs.flushAll();
    const subscribers = this.subscriberCount(name);
    let sent = 0;
    for (const [queueBytesMax, audience] of topic.audiences) {
      sent += audience.write(frames, queueBytesMax, topic.skipped);
    }
    return { subscribers, dropped: subscribers - sent };
  }

  #create(name: string): Topic {
    const skipped = (connection: Connection): void => {
      const { owner } = connection;
      if (owner instanceof WebSocketConnection) owner.reportDropped(name);
    };
    const topic = { audiences: new Map<number, Audience>(), skipped };
    this.#topics.set(name, topic);
    return topic;
  }

  #remove(link: WebSocketConnection, name: string): void {
    const topic = this.#topics.get(name);
    const audience = topic?.audiences.get(link.queueBytesMax);
    if (topic === undefined || audience === undefined) return;
    audience.remove(link.connection);
    if (audience.size > 0) return;
    topic.audiences.delete(link.queueBytesMax);
    if (topic.audiences.size === 0) this.#topics.delete(name);
  }
}

const NOBODY: PublishResult = { subscribers: 0, dropped: 0 };
