// The durable log as the rest of the house sees it (design section 5). One contract, several stores;
// test/support/journal-contract.ts holds every store to it. Knows nothing of Meta, agents or sockets.

/** A record on its way into the log. */
export interface NewRecord {
  /** 'messenger/PAGE/USER', or 'messenger/PAGE' for the Page itself. */
  readonly conversation: string;
  readonly kind: string;
  /** Milliseconds since the Unix epoch: when it was recorded by us. */
  readonly at: number;
  /** A JSON object as text without line breaks: what is stored is what is sent. */
  readonly data: string;
  /**
   * Same key again (within retention for dated keys, 24-48 h for undated ones): the record is not
   * appended. Compared first.
   */
  readonly dedupeKey?: string;
  /**
   * The event's own timestamp in ms, which a redelivery keeps. Absent: the key is filed under the
   * day of `at`.
   */
  readonly dedupeAt?: number;
  /**
   * The last fencing record of the conversation that the writer has seen; another one since:
   * 'conflict'.
   */
  readonly expectSeq?: number;
  /** A customer's message, a person's send, a claim: what a stale writer must notice. */
  readonly fences?: boolean;
  /**
   * For the house only (message.sending, …): stored and tailed, but not an event: `prev` skips
   * it.
   */
  readonly internal?: boolean;
}

/** A record in the log. */
export interface JournalRecord {
  readonly seq: number;
  /**
   * seq of the event before it in the conversation, 0 if none. Internal records are never pointed
   * to.
   */
  readonly prev: number;
  readonly at: number;
  readonly conversation: string;
  readonly kind: string;
  /** The JSON text of the data object. */
  readonly data: string;
  readonly fences: boolean;
  readonly internal: boolean;
}

export type Appended =
  | { readonly status: 'appended'; readonly seq: number; readonly prev: number }
  /** seq of the record that holds the key. */
  | { readonly status: 'duplicate'; readonly seq: number }
  /** seq of the last fencing record of the conversation. */
  | { readonly status: 'conflict'; readonly seq: number };

export interface Tail {
  /** Greatest seq that was handed over. */
  readonly position: number;
  close(): void;
}

export interface HistoryPage {
  /** Ascending by seq; events only (never internal records). */
  readonly records: readonly JournalRecord[];
  /** True when nothing older is held. */
  readonly complete: boolean;
}

/**
 * Where the last records of a conversation are: answered from views plus memory, asked on a cache
 * miss.
 */
export interface ConversationHead {
  /** seq of the last event. */
  readonly last: number;
  /** seq of the last fencing record. */
  readonly fence: number;
}

export interface Journal {
  /** Changes when a journal is replaced or restored. */
  readonly epoch: string;
  /** seq of the newest durable record; 0 when empty. */
  readonly head: number;
  /** The oldest seq that is still held (1 until retention deletes). */
  readonly tailSeq: number;
  /**
   * Resolves when durable. All appends of one tick are one commit. Records of one call are decided in order.
   * @throws SluiceError ERR_JOURNAL_UNAVAILABLE (disk full, backlog over its bound): nothing of
   * this call was stored
   * @throws SluiceError ERR_ARG_RANGE for a record that breaks NewRecord's rules
   */
  append(records: readonly NewRecord[]): Promise<Appended[]>;
  /** seq of the committed record that holds the key, if any. */
  find(dedupeKey: string, dedupeAt?: number): number | undefined;
  /** One record; undefined when it is not held. */
  get(seq: number): JournalRecord | undefined;
  /** Up to `limit` records with seq >= from, ascending. Synchronous; leaves no statement open. */
  read(from: number, limit: number): readonly JournalRecord[];
  /**
   * Events of one conversation, the newest `limit` with seq < before (absent: all), by walking `prev`.
   */
  history(conversation: string, before: number | undefined, limit: number): HistoryPage;
  /**
   * Ordered and gapless from seq > after, first what is stored, then live in the tick of the commit,
   * before the append's promise resolves. The callback gets each commit's records as one array.
   */
  tail(after: number, onRecords: (records: readonly JournalRecord[]) => void): Tail;
  /** Commits what waits, then closes. Later appends reject ERR_CLOSED. */
  close(): Promise<void>;
}

/** One derived row per conversation: columns to list and find by, the state itself as JSON. */
export interface ViewRow {
  /** The conversation's name. */
  readonly key: string;
  readonly page: string;
  /** 'open' | 'closed' | 'page' (the Page's own row). */
  readonly state: string;
  /** Agent id of the owner, '' when unclaimed. */
  readonly owner: string;
  /** Last activity in ms: lists are ordered by (activityAt desc, key desc). */
  readonly activityAt: number;
  /** Number of outbox messages that are not settled: found again after a restart. */
  readonly unsettled: number;
  /** seq of its last event, and of its last fencing record. */
  readonly seq: number;
  readonly fence: number;
  readonly json: string;
}

export interface ViewQuery {
  /** undefined: all pages. */
  readonly pages?: readonly string[];
  readonly state?: string;
  /** '' finds unclaimed ones. */
  readonly owner?: string;
  /** Only rows with unsettled > 0. */
  readonly unsettled?: boolean;
  /** Rows strictly after this place in (activityAt desc, key desc). */
  readonly after?: { readonly activityAt: number; readonly key: string };
  readonly limit: number;
}

/** Derived, rebuildable rows in a file of their own (views.db), written behind by a thread. */
export interface Views {
  /** Everything up to this seq is in the rows. */
  readonly mark: number;
  get(key: string): ViewRow | undefined;
  /** The row, and the mark that it was read under: the row may be ahead of `mark`. */
  getMarked(key: string): { readonly row: ViewRow | undefined; readonly mark: number };
  list(query: ViewQuery): readonly ViewRow[];
  /**
   * Replaces rows and the mark in one transaction on the thread. One at a time.
   * @throws SluiceError ERR_JOURNAL_UNAVAILABLE when the file cannot be written; rows stay as they were
   */
  checkpoint(rows: readonly ViewRow[], mark: number): Promise<void>;
  close(): Promise<void>;
}
