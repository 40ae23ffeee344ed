// The records of the journal as the domain reads them: kinds, and the data of those that the fold,
// the outbox and the agents care about (contract.md section 4, "Events"). Pure types.

export interface Person {
  readonly id: string;
  readonly name: string;
  readonly role: 'agent' | 'supervisor' | 'service';
}

/** The domain's view of a journal record; `data` is parsed. */
export interface DeskRecord {
  readonly seq: number;
  readonly prev: number;
  readonly at: number;
  readonly conversation: string;
  readonly kind: string;
  readonly fences: boolean;
  readonly internal: boolean;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What an agent asked to send; as in the request. */
export interface OutgoingContent {
  readonly text?: string;
  readonly attachment?: {
    readonly type: 'image' | 'audio' | 'video' | 'file';
    readonly url: string;
  };
  readonly quickReplies?: readonly { readonly title: string; readonly payload: string }[];
  readonly replyTo?: string;
}

/**
 * message.queued: `attachments` and `replyTo{mid}` are what agents see; the clerk sends from
 * them.
 */
export interface QueuedData {
  readonly message: string;
  readonly request: string;
  readonly by: Person;
  readonly text?: string;
  readonly attachments?: readonly {
    readonly index: number;
    readonly type: string;
    readonly url: string;
  }[];
  readonly quickReplies?: readonly { readonly title: string; readonly payload: string }[];
  readonly replyTo?: { readonly mid: string };
}

/** message.sending (internal): durable before the call leaves. At most one POST per such record. */
export interface SendingData {
  readonly message: string;
  /** 0-based part of a text that was split. */
  readonly part: number;
  readonly attempt: number;
  /** Random per process start: a restarted clerk knows that the call was another's. */
  readonly sender: string;
}

/** message.part (internal): one part of several was sent. */
export interface PartData {
  readonly message: string;
  readonly part: number;
  readonly mid: string;
}

/** message.deferred (internal): the call was refused without effect and will be tried again. */
export interface DeferredData {
  readonly message: string;
  readonly part: number;
  readonly attempt: number;
  readonly notBefore: number;
  readonly error: MessageError;
  /**
   * What is waited for: this message's own backoff (counted), its thread (counted), or its Page.
   */
  readonly scope?: 'message' | 'thread' | 'page';
}

/** message.unknown (internal): the call's outcome is unknown; the echo is awaited until `until`. */
export interface UnknownOutcomeData {
  readonly message: string;
  readonly part: number;
  readonly until: number;
  readonly error: MessageError;
}

export interface SentData {
  readonly message: string;
  readonly mid: string;
  /** All parts in order, when there are several; `mid` is the first. */
  readonly mids?: readonly string[];
  /** What watermarks are compared with: Meta's time (echo), else when the call was begun. */
  readonly at?: number;
}

export interface MessageError {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly meta?: unknown;
}

/** message.failed, message.uncertain */
export interface UnsentData {
  readonly message: string;
  readonly error: MessageError;
}

/** message.resolved: a person decided on an uncertain or failed message. */
export interface ResolvedData {
  readonly message: string;
  readonly action: 'resend' | 'discard';
  readonly by: Person;
}

/** message.delivered, message.read from Meta's watermark: everything of ours at or before it. */
export interface WatermarkData {
  readonly watermark: number;
  readonly mids?: readonly string[];
  readonly message?: string;
  readonly mid?: string;
}

/**
 * message.echo (internal): Meta's echo of a part that we sent; metadata is `gw:<message>:<part>`.
 */
export interface EchoRecordData {
  readonly mid: string;
  readonly at: number;
  readonly metadata?: string;
}

/** page.alarm */
export interface PageAlarmData {
  readonly alarm: string;
  readonly state: 'raised' | 'cleared';
  readonly since: number;
  readonly why: string;
}

/** conversation.seen */
export interface SeenData {
  readonly seq: number;
  readonly by: Person;
}
