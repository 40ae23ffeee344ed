// Carries webhooks to the gateway: signed, in order within a lane, again and again until the answer is
// 200. A lane is a Page, or a conversation. `entry.time` is the time of the attempt, as Meta has it.

import { setMaxListeners } from 'node:events';
import { type Dispatcher, Pool } from 'undici';
import type { Clock } from '../base/clock.ts';
import type { Faults } from './faults.ts';
import {
  LANE_EVENTS_MAX,
  WEBHOOK_BACKOFF_FIRST_MS,
  WEBHOOK_BACKOFF_MAX_MS,
  WEBHOOK_CONNECTIONS_MAX,
  WEBHOOK_TIMEOUT_MS,
} from './limits.ts';
import type { WebhookCounts } from './types.ts';
import type { WebhookEvent } from './webhook-events.ts';
import { signatureOf, writeLikeMeta } from './wire.ts';

export interface CourierOptions {
  /** The webhook's whole address. */
  readonly url: string;
  readonly appSecret: string;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly order: 'page' | 'conversation';
  readonly batchMax: number;
  /** An integer in [0, below). */
  readonly random: (below: number) => number;
  readonly timeoutMs?: number;
}

interface Item {
  readonly event: WebhookEvent;
  readonly arrived: (isDelivered: boolean) => void;
}

interface Lane {
  readonly page: string;
  readonly items: Item[];
  isRunning: boolean;
}

export class WebhookCourier {
  readonly #options: CourierOptions;
  readonly #pool: Pool;
  readonly #path: string;
  readonly #lanes = new Map<string, Lane>();
  readonly #stop = new AbortController();
  #idle: (() => void)[] = [];
  #delivered = 0;
  #posts = 0;
  #failures = 0;
  #waiting = 0;
  #lost = 0;

  constructor(options: CourierOptions) {
    const url = new URL(options.url);
    const timeout = options.timeoutMs ?? WEBHOOK_TIMEOUT_MS;
    this.#options = options;
    this.#path = `${url.pathname}${url.search}`;
    // A listener for each lane that waits to try again is no leak.
    setMaxListeners(0, this.#stop.signal);
    this.#pool = new Pool(url.origin, {
      connections: WEBHOOK_CONNECTIONS_MAX,
      connect: { timeout },
      headersTimeout: timeout,
      bodyTimeout: timeout,
    });
  }

  get counts(): WebhookCounts {
    return {
      delivered: this.#delivered,
      posts: this.#posts,
      failures: this.#failures,
      waiting: this.#waiting,
      lost: this.#lost,
    };
  }

  /** Resolves true when the gateway has taken the event, false when it never will. */
  carry(event: WebhookEvent): Promise<boolean> {
    const lane = this.#laneOf(event);
    if (this.#stop.signal.aborted || lane.items.length >= LANE_EVENTS_MAX) {
      this.#lost++;
      return Promise.resolve(false);
    }
    this.#waiting++;
    return new Promise((arrived) => {
      lane.items.push({ event, arrived });
      this.#start(lane);
    });
  }

  /** Goes on after `hold` was taken back. */
  wake(): void {
    for (const lane of this.#lanes.values()) this.#start(lane);
  }

  /** Resolves when nothing waits any more. */
  settled(): Promise<void> {
    if (this.#waiting === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** What waits is lost. */
  async stop(): Promise<void> {
    this.#stop.abort();
    for (const lane of this.#lanes.values()) {
      for (const item of lane.items.splice(0)) this.#finish(item, false);
    }
    await this.#pool.destroy();
  }

  #laneOf({ page, user }: WebhookEvent): Lane {
    const key = this.#options.order === 'page' ? page : `${page}/${user}`;
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = { page, items: [], isRunning: false };
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  #start(lane: Lane): void {
    if (lane.isRunning || lane.items.length === 0 || this.#options.faults.webhooks.hold) return;
    lane.isRunning = true;
    void this.#run(lane);
  }

  /** One post at a time; the next only after 200. */
  async #run(lane: Lane): Promise<void> {
    while (lane.items.length > 0 && !this.#stop.signal.aborted) {
      if (this.#options.faults.webhooks.hold) break;
      const items = this.#take(lane);
      const isDelivered = await this.#deliver(lane.page, items);
      for (const item of items) this.#finish(item, isDelivered);
    }
    lane.isRunning = false;
  }

  #take(lane: Lane): Item[] {
    const { faults, random, batchMax } = this.#options;
    if (!faults.webhooks.shuffle) return lane.items.splice(0, batchMax);
    const items: Item[] = [];
    while (items.length < batchMax && lane.items.length > 0) {
      items.push(...lane.items.splice(random(lane.items.length), 1));
    }
    return items;
  }

  async #deliver(page: string, items: readonly Item[]): Promise<boolean> {
    const { faults } = this.#options;
    let backoffMs = WEBHOOK_BACKOFF_FIRST_MS;
    while (!this.#stop.signal.aborted) {
      if (faults.webhooks.slowMs > 0) await this.#wait(faults.webhooks.slowMs);
      if (await this.#post(page, items)) {
        if (faults.webhooks.duplicate) await this.#post(page, items);
        return true;
      }
      this.#failures++;
      await this.#wait(backoffMs);
      backoffMs = Math.min(backoffMs * 2, WEBHOOK_BACKOFF_MAX_MS);
    }
    return false;
  }

  async #post(page: string, items: readonly Item[]): Promise<boolean> {
    const { clock, appSecret } = this.#options;
    const messaging = items.map((item) => item.event.event);
    const entry = [{ id: page, time: clock.now(), messaging }];
    const body = writeLikeMeta({ object: 'page', entry });
    this.#posts++;
    try {
      const answer = await this.#pool.request({
        method: 'POST',
        path: this.#path,
        headers: {
          'content-type': 'application/json',
          'user-agent': 'facebookexternalua',
          'x-hub-signature-256': signatureOf(body, appSecret),
        },
        body,
        signal: this.#stop.signal,
      });
      await drain(answer);
      return answer.statusCode === 200;
    } catch {
      // Refused, reset, timed out: all the same to Meta, it comes again.
      return false;
    }
  }

  #wait(ms: number): Promise<void> {
    const { signal } = this.#stop;
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(ms, done);
      function done(): void {
        timer.cancel();
        signal.removeEventListener('abort', done);
        resolve();
      }
      signal.addEventListener('abort', done, { once: true });
    });
  }

  #finish(item: Item, isDelivered: boolean): void {
    this.#waiting--;
    if (isDelivered) this.#delivered++;
    else this.#lost++;
    item.arrived(isDelivered);
    if (this.#waiting > 0) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }
}

async function drain(answer: Dispatcher.ResponseData): Promise<void> {
  await answer.body.dump();
}
