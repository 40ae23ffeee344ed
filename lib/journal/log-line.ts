// One record as one line of a log row. Cheap to write, and one line can be read without its neighbours:
//
//   1 TAB prev TAB at TAB flags TAB conversation TAB kind TAB data      data last: it may hold tabs, never a newline
//
// The first character is the record's format version. seq is not stored: it is the row's first
// seq plus the line's index.

import { SluiceError } from '../base/errors.ts';
import type { JournalRecord, NewRecord } from './types.ts';

export const LINE_FORMAT = '1';

const FENCES = 1;
const INTERNAL = 2;

/** The line of a record, without the newline. */
export function encodeLine(record: NewRecord, prev: number): string {
  const flags = (record.fences === true ? FENCES : 0) + (record.internal === true ? INTERNAL : 0);
  const { at, conversation, kind, data } = record;
  return `${LINE_FORMAT}\t${prev}\t${at}\t${flags}\t${conversation}\t${kind}\t${data}`;
}

/**
 * Reads the record whose line starts at `start` of a row's body.
 * @throws SluiceError ERR_JOURNAL_FORMAT for a version that this one does not know
 */
export function decodeLine(body: string, start: number, seq: number): JournalRecord {
  if (body.charAt(start) !== LINE_FORMAT || body.charAt(start + 1) !== '\t') {
    throw new SluiceError('ERR_JOURNAL_FORMAT', `Record ${seq} has an unknown format.`);
  }
  const prevStart = start + 2;
  const atStart = body.indexOf('\t', prevStart) + 1;
  const flagsStart = body.indexOf('\t', atStart) + 1;
  const conversationStart = body.indexOf('\t', flagsStart) + 1;
  const kindStart = body.indexOf('\t', conversationStart) + 1;
  const dataStart = body.indexOf('\t', kindStart) + 1;
  const flags = Number(body.slice(flagsStart, conversationStart - 1));
  return {
    seq,
    prev: Number(body.slice(prevStart, atStart - 1)),
    at: Number(body.slice(atStart, flagsStart - 1)),
    conversation: body.slice(conversationStart, kindStart - 1),
    kind: body.slice(kindStart, dataStart - 1),
    data: body.slice(dataStart, lineEnd(body, dataStart)),
    fences: (flags & FENCES) !== 0,
    internal: (flags & INTERNAL) !== 0,
  };
}

/** Where the line that holds `position` ends. */
export function lineEnd(body: string, position: number): number {
  const end = body.indexOf('\n', position);
  return end === -1 ? body.length : end;
}

/** Where line `index` starts. */
export function lineStart(body: string, index: number): number {
  let start = 0;
  for (let line = 0; line < index; line++) start = lineEnd(body, start) + 1;
  return start;
}

/** The record as its readers see it, without a way through its line. */
export function recordOf(record: NewRecord, seq: number, prev: number): JournalRecord {
  return {
    seq,
    prev,
    at: record.at,
    conversation: record.conversation,
    kind: record.kind,
    data: record.data,
    fences: record.fences === true,
    internal: record.internal === true,
  };
}
