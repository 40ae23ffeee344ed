// The simulator's public shapes: what a program or a test gives it, and what it can look at afterwards.

import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';

export interface SimulatedPage {
  readonly id: string;
  readonly name: string;
  readonly accessToken: string;
}

export interface SimulatedCustomer {
  /** A page-scoped id. */
  readonly id: string;
  readonly name: string;
}

export interface SimulatorOptions {
  /** Loopback only; default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Where webhooks go: the gateway's origin, and its path. */
  readonly gatewayUrl: string;
  readonly webhookPath?: string;
  readonly verifyToken: string;
  readonly appId: string;
  readonly appSecret: string;
  readonly pages: readonly SimulatedPage[];
  /** People who exist from the start; default three. */
  readonly customers?: readonly SimulatedCustomer[];
  readonly clock?: Clock;
  readonly log?: Log;
  /** Seed of everything random; default: a random one. */
  readonly seed?: number;
  /**
   * Webhooks keep this order: per page (default) or per conversation, with several posts at once.
   */
  readonly order?: 'page' | 'conversation';
  /** Events that may share one post when several wait; default 1. */
  readonly batchMax?: number;
  /** Whether messages of the Page are reported as delivered; default true. */
  readonly delivers?: boolean;
  readonly webhookTimeoutMs?: number;
}

export interface PhoneAttachment {
  readonly type: string;
  readonly url?: string;
  readonly stickerId?: string;
}

export interface QuickReply {
  readonly title: string;
  readonly payload: string;
}

/** One bubble of a thread, as the customer's phone has it. */
export interface PhoneMessage {
  readonly mid: string;
  readonly at: number;
  readonly from: 'customer' | 'page';
  readonly text?: string;
  readonly attachments?: readonly PhoneAttachment[];
  readonly quickReplies?: readonly QuickReply[];
  readonly replyTo?: string;
  /** Emoji by whoever reacted. */
  readonly reactions?: { readonly customer?: string; readonly page?: string };
  readonly edits?: number;
  /** Written in the Page's own inbox, not through the API. */
  readonly fromInbox?: true;
}

/** A message that Meta accepted from the app. */
export interface SentMessage {
  readonly mid: string;
  readonly at: number;
  readonly page: string;
  readonly user: string;
  readonly text?: string;
  readonly attachments?: readonly PhoneAttachment[];
  readonly quickReplies?: readonly QuickReply[];
  readonly replyTo?: string;
  readonly metadata?: string;
  readonly tag?: string;
}

/** One call that reached the Graph API, accepted or not. */
export interface GraphCallRecord {
  readonly at: number;
  readonly method: string;
  readonly path: string;
  readonly page?: string;
  readonly body?: unknown;
  /** 0: it was never answered. */
  readonly status: number;
  readonly mid?: string;
  readonly fault?: string;
}

/** What happens to the next send. `sent`: the message goes out all the same. */
export type SendFault =
  | {
      readonly kind: 'error';
      readonly code: number;
      readonly subcode?: number;
      readonly status?: number;
      readonly transient?: boolean;
      readonly sent?: boolean;
    }
  /** An answer that is not of the Graph API. */
  | { readonly kind: 'status'; readonly status: number; readonly sent?: boolean }
  /** Accepted and sent; the answer never comes. */
  | { readonly kind: 'lost_answer' }
  /** The connection breaks in the middle of the answer. */
  | { readonly kind: 'reset'; readonly sent?: boolean }
  | { readonly kind: 'drop_echo' }
  | { readonly kind: 'delay_echo'; readonly ms: number }
  /** The echo is delivered before the call is answered. */
  | { readonly kind: 'echo_first' }
  | { readonly kind: 'slow'; readonly ms: number };

/** How webhooks misbehave until it is changed again. */
export interface WebhookFaults {
  /** Every post is made twice. */
  readonly duplicate: boolean;
  /** What waits in a lane goes out in any order. */
  readonly shuffle: boolean;
  readonly slowMs: number;
  /** Nothing goes out. */
  readonly hold: boolean;
}

export interface WebhookCounts {
  readonly delivered: number;
  readonly posts: number;
  readonly failures: number;
  readonly waiting: number;
  readonly lost: number;
}

/** What a customer writes. */
export type CustomerMessage =
  | { readonly text: string; readonly replyTo?: string }
  | { readonly imageUrl: string }
  | { readonly sticker: 'like' }
  | { readonly quickReply: QuickReply };
