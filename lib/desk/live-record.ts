// A record of the journal's tail as the domain reads it: its data is parsed once, when somebody first asks.

import { type Data, isObject, NO_DATA } from './fields.ts';
import type { DeskJournalRecord } from './ports.ts';
import type { DeskRecord } from './records.ts';

/** Wraps a record; `text` is the JSON as stored, for those who pass it on. */
export class LiveRecord implements DeskRecord {
  readonly seq: number;
  readonly prev: number;
  readonly at: number;
  readonly conversation: string;
  readonly kind: string;
  readonly fences: boolean;
  readonly internal: boolean;
  readonly text: string;
  #data: Data | undefined = undefined;

  constructor(record: DeskJournalRecord) {
    this.seq = record.seq;
    this.prev = record.prev;
    this.at = record.at;
    this.conversation = record.conversation;
    this.kind = record.kind;
    this.fences = record.fences;
    this.internal = record.internal;
    this.text = record.data;
  }

  /** Empty when the text is no JSON object: the record still counts, it says nothing. */
  get data(): Data {
    this.#data ??= parseData(this.text);
    return this.#data;
  }
}

function parseData(text: string): Data {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : NO_DATA;
  } catch (error) {
    if (error instanceof SyntaxError) return NO_DATA;
    throw error;
  }
}
