// Random but repeatable records of a few conversations: plausible ones, shuffled ones and damaged ones.

import type { DeskNewRecord } from '../../../lib/desk/ports.ts';
import { ANN, BOB, newRecord, PAGE, T0 } from './memory-desk.ts';

const ERROR = { code: 'rejected', message: 'no', retryable: false };

export class RandomLog {
  #state: number;
  #count = 0;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A number from 0 to below `bound` (mulberry32). */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  }

  batch(count = 1 + this.below(12)): DeskNewRecord[] {
    return Array.from({ length: count }, () => this.#record());
  }

  #record(): DeskNewRecord {
    this.#count++;
    const at = T0 + this.#count * 10;
    const conversation = `messenger/${PAGE}${this.below(20) === 0 ? '' : `/${this.below(12)}`}`;
    const [kind, data] = this.#content(at);
    return newRecord(kind, data, at, conversation);
  }

  #content(at: number): [string, object] {
    const mid = `m${this.below(30)}`;
    const message = `M${this.below(25)}`;
    const when = at - this.below(300);
    const by = this.below(2) === 0 ? ANN : BOB;
    const makers: readonly (() => [string, object])[] = [
      () => ['message.received', { mid, at: when, text: `text ${mid}`, window: true }],
      () => ['message.received', { mid, at: when, referral: { source: 'ADS' }, standby: true }],
      () => ['message.outside', { mid, at: when, text: 'outside', origin: 'page_inbox' }],
      () => ['message.edited', { mid, text: 'edited', edit: this.below(4) }],
      () => ['message.deleted', { mid }],
      () => ['reaction', { mid, action: 'react', emoji: '👍', by: 'customer', at: when }],
      () => ['postback', { at: when, title: 'Start', window: true }],
      () => ['handover', { action: 'pass', ours: this.below(2) === 0, to: '1' }],
      () => ['conversation.seen', { seq: this.below(this.#count), by }],
      () => ['conversation.closed', { by }],
      () => ['customer.updated', { name: `Name ${this.below(9)}` }],
      () => [
        'message.queued',
        { message: `M${this.#count % 25}`, request: `${at}`, by, text: 'x' },
      ],
      () => ['message.sending', { message, part: 0, attempt: 1, sender: 's' }],
      () => ['message.part', { message, part: 0, mid }],
      () => ['message.sent', { message, mid }],
      () => ['message.deferred', { message, notBefore: at + 9, error: ERROR, scope: 'thread' }],
      () => ['message.unknown', { message, part: 0, until: at + 9, error: ERROR }],
      () => ['message.failed', { message, error: ERROR }],
      () => ['message.uncertain', { message, error: ERROR }],
      () => ['message.resolved', { message, action: 'resend', by }],
      () => ['message.echo', { mid, at: when, metadata: `gw:${message}:0` }],
      () => ['message.delivered', { watermark: when, mids: [mid] }],
      () => ['message.read', { watermark: when }],
      () => ['page.alarm', { alarm: 'token', state: 'raised', since: at, why: 'x' }],
      () => ['hologram', { nested: [{ deep: null }] }],
      () => ['message.received', { mid: 3, at: 'x', text: {} }],
    ];
    const make = makers[this.below(makers.length)];
    if (make === undefined) throw new Error('no maker');
    return make();
  }
}
