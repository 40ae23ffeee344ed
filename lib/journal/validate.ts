// The rules of NewRecord, checked before anything waits for a commit.

import { SluiceError } from '../base/errors.ts';
import type { NewRecord } from './types.ts';

const CONVERSATION = /^[!-~]{1,256}$/;
const KIND = /^[a-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*$/;
const KIND_CHARS_MAX = 64;
const KEY_CHARS_MAX = 4096;

function isTime(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** What is wrong with a record, or undefined. Never quotes its data. */
function faultOf(record: NewRecord, dataCharsMax: number): string | undefined {
  const { conversation, kind, at, data, dedupeKey, dedupeAt, expectSeq } = record;
  if (!CONVERSATION.test(conversation))
    return 'conversation is not 1 to 256 visible ASCII characters';
  if (kind.length > KIND_CHARS_MAX || !KIND.test(kind)) return 'kind is not a dotted name';
  if (!isTime(at)) return 'at is not a time in milliseconds';
  if (data.length > dataCharsMax) return `data is longer than ${dataCharsMax} characters`;
  if (!data.startsWith('{') || !data.endsWith('}')) return 'data is not a JSON object';
  if (data.includes('\n') || data.includes('\0'))
    return 'data has a line break or a zero character';
  if (dedupeKey !== undefined && (dedupeKey === '' || dedupeKey.length > KEY_CHARS_MAX)) {
    return `dedupeKey is not 1 to ${KEY_CHARS_MAX} characters`;
  }
  if (dedupeAt !== undefined && !isTime(dedupeAt)) return 'dedupeAt is not a time in milliseconds';
  if (expectSeq !== undefined && !isTime(expectSeq)) return 'expectSeq is not a sequence number';
  return undefined;
}

/**
 * Checks every record of a call.
 * @returns the characters that they will roughly take
 * @throws SluiceError ERR_ARG_RANGE for the first record that breaks a rule
 */
export function checkRecords(records: readonly NewRecord[], dataCharsMax: number): number {
  let chars = 0;
  for (const record of records) {
    const fault = faultOf(record, dataCharsMax);
    if (fault !== undefined) throw new SluiceError('ERR_ARG_RANGE', `Record refused: ${fault}.`);
    chars += record.data.length + record.conversation.length + record.kind.length;
  }
  return chars;
}
