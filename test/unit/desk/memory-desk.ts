// A journal and views in memory with the contracts of lib/journal/types.ts that the desk relies on: keys
// are compared first, then fences; the tail runs before an append's promise resolves. Can be told to fail.

import type {
  AppendPort,
  DeskAppended,
  DeskJournalRecord,
  DeskNewRecord,
  DeskViewQuery,
  DeskViewRow,
  ViewsPort,
} from '../../../lib/desk/ports.ts';
import type { DeskRecord } from '../../../lib/desk/records.ts';

export const PAGE = '100200300400500';
export const CONVERSATION = `messenger/${PAGE}/7000000000000001`;
export const ANN = { id: 'ann', name: 'Ann', role: 'agent' } as const;
export const BOB = { id: 'bob', name: 'Bob', role: 'agent' } as const;
export const T0 = 1_800_000_000_000;

/** Kinds that fence, as the gateway marks them. */
const FENCES = new Set([
  'message.received',
  'postback',
  'message.edited',
  'message.deleted',
  'message.outside',
  'message.queued',
]);
const INTERNAL = new Set([
  'message.echo',
  'message.sending',
  'message.part',
  'message.deferred',
  'message.unknown',
  'message.resolved',
]);

export function newRecord(
  kind: string,
  data: object,
  at = T0,
  conversation = CONVERSATION,
): DeskNewRecord {
  return {
    conversation,
    kind,
    at,
    data: JSON.stringify(data),
    ...(FENCES.has(kind) ? { fences: true } : {}),
    ...(INTERNAL.has(kind) ? { internal: true } : {}),
  };
}

/** A parsed record, for tests of the fold alone. */
export function deskRecord(seq: number, kind: string, data: object, at = T0 + seq): DeskRecord {
  return {
    seq,
    prev: seq - 1,
    at,
    conversation: CONVERSATION,
    kind,
    fences: FENCES.has(kind),
    internal: INTERNAL.has(kind),
    data: data as DeskRecord['data'],
  };
}

export class MemoryLog implements AppendPort {
  readonly records: DeskJournalRecord[] = [];
  readonly #keys = new Map<string, number>();
  readonly #heads = new Map<string, { last: number; fence: number }>();
  onCommit: (records: readonly DeskJournalRecord[]) => void = () => undefined;
  /** Thrown by the next appends, as often as it says. */
  failures = 0;

  async append(records: readonly DeskNewRecord[]): Promise<readonly DeskAppended[]> {
    await Promise.resolve();
    if (this.failures > 0) {
      this.failures--;
      throw new Error('disk full');
    }
    return this.commit(records);
  }

  commit(records: readonly DeskNewRecord[]): readonly DeskAppended[] {
    const fresh: DeskJournalRecord[] = [];
    const results = records.map((record) => this.#decide(record, fresh));
    if (fresh.length > 0) this.onCommit(fresh);
    return results;
  }

  kinds(conversation = CONVERSATION): string[] {
    return this.records.filter((r) => r.conversation === conversation).map((r) => r.kind);
  }

  dataOf(kind: string): Record<string, unknown>[] {
    return this.records.filter((r) => r.kind === kind).map((r) => JSON.parse(r.data));
  }

  #decide(record: DeskNewRecord, fresh: DeskJournalRecord[]): DeskAppended {
    const known = record.dedupeKey === undefined ? undefined : this.#keys.get(record.dedupeKey);
    if (known !== undefined) return { status: 'duplicate', seq: known };
    const head = this.#heads.get(record.conversation) ?? { last: 0, fence: 0 };
    if (record.expectSeq !== undefined && record.expectSeq !== head.fence) {
      return { status: 'conflict', seq: head.fence };
    }
    const seq = this.records.length + 1;
    const { conversation, kind, at, data, fences = false, internal = false } = record;
    const stored = { seq, prev: head.last, at, conversation, kind, data, fences, internal };
    this.#heads.set(conversation, {
      last: internal ? head.last : seq,
      fence: fences ? seq : head.fence,
    });
    if (record.dedupeKey !== undefined) this.#keys.set(record.dedupeKey, seq);
    this.records.push(stored);
    fresh.push(stored);
    return { status: 'appended', seq, prev: head.last };
  }
}

export class MemoryViews implements ViewsPort {
  readonly rows = new Map<string, DeskViewRow>();
  mark = 0;
  failures = 0;
  checkpoints = 0;
  /** The greatest limit that a query asked for. */
  listedMax = 0;
  /** Set to hold a checkpoint until it resolves. */
  gate: Promise<void> | undefined = undefined;

  get(key: string): DeskViewRow | undefined {
    return this.rows.get(key);
  }

  getMarked(key: string): { readonly row: DeskViewRow | undefined; readonly mark: number } {
    return { row: this.get(key), mark: this.mark };
  }

  list(query: DeskViewQuery): readonly DeskViewRow[] {
    const { after } = query;
    this.listedMax = Math.max(this.listedMax, query.limit);
    return [...this.rows.values()]
      .filter((row) => query.pages === undefined || query.pages.includes(row.page))
      .filter((row) => query.state === undefined || query.state === row.state)
      .filter((row) => query.owner === undefined || query.owner === row.owner)
      .filter((row) => query.unsettled !== true || row.unsettled > 0)
      .filter((row) => after === undefined || compareRows(after, row) < 0)
      .sort(compareRows)
      .slice(0, query.limit);
  }

  async checkpoint(rows: readonly DeskViewRow[], mark: number): Promise<void> {
    await this.gate;
    if (this.failures > 0) {
      this.failures--;
      throw new Error('views.db cannot be written');
    }
    for (const row of rows) this.rows.set(row.key, row);
    this.mark = mark;
    this.checkpoints++;
  }
}

type Place = Pick<DeskViewRow, 'activityAt' | 'key'>;

function compareRows(a: Place, b: Place): number {
  if (a.activityAt !== b.activityAt) return b.activityAt - a.activityAt;
  return a.key === b.key ? 0 : a.key > b.key ? -1 : 1;
}
