// The agent protocol `sluice.v1` (contract.md section 4) as types: what goes over the WebSocket in both
// directions. Types only, shared by the gateway and by sluice/client; no dependency at run time.

import type { ConversationView } from '../desk/conversation.ts';
import type { OutgoingContent } from '../desk/records.ts';

export type { ConversationView, OutgoingContent };

export const SUBPROTOCOL = 'sluice.v1';

export interface Position {
  readonly epoch: string;
  readonly seq: number;
  readonly scope?: string;
}

export type ClientMessage =
  | {
      readonly type: 'hello';
      readonly id: string;
      readonly session: string;
      readonly since?: Position;
    }
  | {
      readonly type: 'send';
      readonly id: string;
      readonly conversation: string;
      readonly message: OutgoingContent;
      readonly claim?: number;
      readonly seen?: number;
    }
  | {
      readonly type: 'resolve';
      readonly id: string;
      readonly message: string;
      readonly action: 'resend' | 'discard';
    }
  | { readonly type: 'typing'; readonly conversation: string; readonly on: boolean }
  | {
      readonly type: 'seen';
      readonly id: string;
      readonly conversation: string;
      readonly seq: number;
    }
  | {
      readonly type: 'list';
      readonly id: string;
      readonly state: 'open' | 'unclaimed' | 'mine' | 'closed' | 'all';
      readonly cursor?: string;
      readonly limit?: number;
    }
  | {
      readonly type: 'history';
      readonly id: string;
      readonly conversation: string;
      readonly before?: number;
      readonly limit?: number;
    }
  | { readonly type: 'token'; readonly id: string; readonly token: string };

export interface EventMessage {
  readonly type: 'event';
  readonly seq: number;
  readonly prev: number;
  readonly at: number;
  readonly conversation: string;
  readonly kind: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly standby?: true;
  readonly source?: 'backfill';
}

export interface ReplyError {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly data?: Readonly<Record<string, unknown>>;
}

export type ServerMessage =
  | {
      readonly type: 'welcome';
      readonly id: string;
      readonly agent: { readonly id: string; readonly name: string; readonly role: string };
      readonly pages: readonly string[];
      readonly scope: string;
      readonly epoch: string;
      readonly seq: number;
      readonly recovered: boolean;
      readonly heartbeatSeconds: number;
      readonly expiresAt: number;
    }
  | {
      readonly type: 'snapshot';
      readonly part: number;
      readonly last: boolean;
      readonly conversations: readonly ConversationView[];
      readonly agents: readonly unknown[];
      readonly seq: number;
    }
  | EventMessage
  | { readonly type: 'position'; readonly seq: number }
  | {
      readonly type: 'signal';
      readonly kind: 'typing' | 'presence' | 'delayed';
      readonly conversation?: string;
      readonly data: Readonly<Record<string, unknown>>;
    }
  | {
      readonly type: 'reply';
      readonly id: string;
      readonly ok: true;
      readonly data: Readonly<Record<string, unknown>>;
    }
  | { readonly type: 'reply'; readonly id: string; readonly ok: false; readonly error: ReplyError }
  | { readonly type: 'expiring'; readonly inMs: number }
  | { readonly type: 'drain'; readonly retryInMs: number };
