// Meta's webhook events in typed form (messenger.md section 3), and the outcomes of a send (4.4).
// `kind` and `data` have the shapes that contract.md section 4 shows to agents. Knows no agents.

export interface AttachmentView {
  readonly index: number;
  /**
   * image, video, audio, file, sticker, fallback, template, reel, …; unknown types are kept as
   * they are.
   */
  readonly type: string;
  readonly url?: string;
  /** ms, from the link's `oe` parameter when it has one. */
  readonly expiresAt?: number;
  readonly title?: string;
  readonly stickerId?: string;
  readonly [more: string]: unknown;
}

export interface ReferralView {
  readonly ref?: string;
  readonly source?: string;
  readonly type?: string;
  readonly adId?: string;
  readonly ad?: Readonly<Record<string, unknown>>;
  readonly product?: unknown;
}

export interface ReceivedData {
  readonly mid: string;
  readonly at: number;
  readonly text?: string;
  readonly attachments?: readonly AttachmentView[];
  readonly quickReply?: { readonly payload: string };
  readonly replyTo?: { readonly mid?: string; readonly [more: string]: unknown };
  readonly referral?: ReferralView;
  readonly unsupported?: true;
}

/** An echo whose metadata starts with our prefix: internal, the clerk joins it with the outbox. */
export interface EchoData {
  readonly mid: string;
  readonly at: number;
  readonly metadata: string;
}

export interface OutsideData {
  readonly mid: string;
  readonly at: number;
  readonly text?: string;
  readonly attachments?: readonly AttachmentView[];
  readonly origin: 'page_inbox' | 'app';
  readonly appId?: string;
}

export interface MessengerEvent {
  /** entry.id: the Page (or Instagram account). Always a string. */
  readonly asset: string;
  /** The side that is not the asset; absent for events about the Page itself. */
  readonly user?: string;
  /**
   * A kind of contract.md section 4 ('message.received', 'message.outside', 'postback', 'unknown', …) or
   * 'message.echo' for the echo of one of our own sends (EchoData).
   */
  readonly kind: string;
  /** The event's own time in ms, normalised (messenger.md 3.1). */
  readonly at: number;
  /** `at` is the delivery's, for want of the event's own: a redelivery has another one. */
  readonly isUnstamped?: true;
  /** messenger.md 3.6; absent for delivery and read, which need none. */
  readonly dedupeKey?: string;
  readonly standby: boolean;
  /** Opens the standard window (messenger.md 3.4, last bullet). */
  readonly opensWindow: boolean;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface ParsedWebhook {
  readonly object: string;
  readonly events: readonly MessengerEvent[];
  /** Events that a parser bug or a hostile shape turned into `unknown`; counted, never thrown. */
  readonly damaged: number;
}

/** One call of the Send API. */
export interface SendRequest {
  readonly page: string;
  readonly user: string;
  readonly message: {
    readonly text?: string;
    readonly attachment?: {
      readonly type: 'image' | 'audio' | 'video' | 'file';
      readonly url: string;
    };
    readonly quickReplies?: readonly { readonly title: string; readonly payload: string }[];
    /** A mid. */
    readonly replyTo?: string;
  };
  /** Returned in the echo: 'gw:<outbox id>:<part>'. */
  readonly metadata: string;
  readonly tag?: 'HUMAN_AGENT';
}

/** Classes of messenger.md 5.2. */
export type GraphErrorClass = 'L' | 'R' | 'U' | 'T' | 'W' | 'B' | 'P' | 'O' | 'X';

export interface GraphFailure {
  readonly class: GraphErrorClass;
  /** An error code of the agent protocol (contract.md section 4). */
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  /** Meta's own words, without secrets. */
  readonly meta?: {
    readonly status?: number;
    readonly code?: number;
    readonly subcode?: number;
    readonly type?: string;
    readonly fbtraceId?: string;
  };
  /** How long Meta asks to wait (class L). */
  readonly retryAfterMs?: number;
}

export type SendOutcomeOfCall =
  | { readonly outcome: 'sent'; readonly mid: string }
  | { readonly outcome: 'refused'; readonly error: GraphFailure }
  | { readonly outcome: 'unknown'; readonly error: GraphFailure };

export interface CustomerProfile {
  readonly name?: string;
  readonly firstName?: string;
  readonly lastName?: string;
  readonly picture?: string;
}

export type SenderAction = 'typing_on' | 'typing_off' | 'mark_seen';

/** The outbound half of `messenger`, as the clerk uses it. */
export interface GraphClient {
  /**
   * Never rejects: every failure is an outcome.
   * @param signal aborts waiting; the outcome is then 'unknown' if bytes may have left
   */
  send(request: SendRequest, signal?: AbortSignal): Promise<SendOutcomeOfCall>;
  /** Best effort: resolves false when Meta refused or could not be reached. */
  action(page: string, user: string, action: SenderAction): Promise<boolean>;
  /** undefined when Meta has none to give (messenger.md 7.1); never rejects. */
  profile(page: string, user: string): Promise<CustomerProfile | undefined>;
  close(): Promise<void>;
}
