// What the desk needs of the world. The gateway plugs in the journal and Meta's client; shapes match
// lib/journal/types.ts and lib/messenger/types.ts structurally, so that neither room knows the other.

import type { MessageError, OutgoingContent } from './records.ts';

export interface DeskNewRecord {
  readonly conversation: string;
  readonly kind: string;
  readonly at: number;
  readonly data: string;
  readonly dedupeKey?: string;
  readonly dedupeAt?: number;
  readonly expectSeq?: number;
  readonly fences?: boolean;
  readonly internal?: boolean;
}

export type DeskAppended =
  | { readonly status: 'appended'; readonly seq: number; readonly prev: number }
  | { readonly status: 'duplicate'; readonly seq: number }
  | { readonly status: 'conflict'; readonly seq: number };

export interface AppendPort {
  append(records: readonly DeskNewRecord[]): Promise<readonly DeskAppended[]>;
}

/** The result of one call to Meta, in the desk's words. */
export type PostOutcome =
  | { readonly outcome: 'sent'; readonly mid: string }
  /** Nothing was sent. `after`: what the desk does with it. */
  | {
      readonly outcome: 'refused';
      readonly error: MessageError;
      readonly policy: 'fail' | 'retry' | 'pausePage' | 'pauseThread';
      readonly retryAfterMs?: number;
      /**
       * With 'pausePage': the page.alarm to raise (classes T and X); absent: Meta's own limit
       * (class L).
       */
      readonly alarm?: 'token' | 'permission' | 'restricted' | 'rate' | 'mapping';
    }
  | { readonly outcome: 'unknown'; readonly error: MessageError; readonly waitForEcho: boolean };

export interface PostPort {
  /** One Graph call for one part; never rejects. */
  post(call: {
    readonly page: string;
    readonly user: string;
    readonly content: OutgoingContent;
    readonly metadata: string;
  }): Promise<PostOutcome>;
}

/** A record of the journal's tail, its data still text. */
export interface DeskJournalRecord {
  readonly seq: number;
  readonly prev: number;
  readonly at: number;
  readonly conversation: string;
  readonly kind: string;
  readonly data: string;
  readonly fences: boolean;
  readonly internal: boolean;
}

/** One derived row per conversation; ordered by (activityAt desc, key desc). */
export interface DeskViewRow {
  readonly key: string;
  readonly page: string;
  /** 'open' | 'closed' | 'page' (the Page's own row). */
  readonly state: string;
  readonly owner: string;
  readonly activityAt: number;
  readonly unsettled: number;
  readonly seq: number;
  readonly fence: number;
  readonly json: string;
}

export interface DeskViewPlace {
  readonly activityAt: number;
  readonly key: string;
}

export interface DeskViewQuery {
  readonly pages?: readonly string[];
  readonly state?: string;
  readonly owner?: string;
  readonly unsettled?: boolean;
  readonly after?: DeskViewPlace;
  readonly limit: number;
}

/** Where the projection keeps its checkpoint. */
export interface ViewsPort {
  readonly mark: number;
  get(key: string): DeskViewRow | undefined;
  /** The row, and the mark that it was read under. */
  getMarked(key: string): { readonly row: DeskViewRow | undefined; readonly mark: number };
  list(query: DeskViewQuery): readonly DeskViewRow[];
  checkpoint(rows: readonly DeskViewRow[], mark: number): Promise<void>;
}
