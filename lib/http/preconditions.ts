// Conditional requests (RFC 9110 13): which of the five fields decides, and how. Knows validators only,
// not what they belong to.

import { parseHttpDate } from './http-date.ts';

/** What a representation is recognised by. */
export interface Validators {
  /** A strong entity-tag, quotes included. */
  readonly etag: string;
  /** Milliseconds since the epoch. */
  readonly modifiedMs: number;
}

export type ConditionFields = (name: string) => string | undefined;

/** 'send' it, say 304, or refuse with 412. */
export type Verdict = 'send' | 'unchanged' | 'failed';

/** A Last-Modified of this second may be that of two versions: weak (RFC 9110 8.8.2.2). */
const STRONG_AGE_MS = 1000;
const MS_PER_SECOND = 1000;
/** White space is matched in one place only: in two that meet, a long run of it costs its square. */
const TAG = /[ \t]*(?:(W\/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*)?(?:,|$)/y;

/** The order of RFC 9110 13.2.2, steps 1 to 4, for GET and HEAD. */
export function evaluatePreconditions(
  field: ConditionFields,
  current: Validators,
  now: number,
): Verdict {
  const ifMatch = field('if-match');
  if (ifMatch !== undefined) {
    if (!listMatches(ifMatch, current.etag, false)) return 'failed';
  } else {
    const since = dateOf(field('if-unmodified-since'), now);
    if (since !== undefined && secondOf(current.modifiedMs) > since) return 'failed';
  }
  const ifNoneMatch = field('if-none-match');
  if (ifNoneMatch !== undefined) {
    return listMatches(ifNoneMatch, current.etag, true) ? 'unchanged' : 'send';
  }
  const since = dateOf(field('if-modified-since'), now);
  return since !== undefined && secondOf(current.modifiedMs) <= since ? 'unchanged' : 'send';
}

/**
 * Step 5: whether a Range may be answered with a part.
 * @param ifRange the field, undefined when there is none
 */
export function rangeApplies(
  ifRange: string | undefined,
  current: Validators,
  now: number,
): boolean {
  if (ifRange === undefined) return true;
  if (ifRange.endsWith('"')) return ifRange === current.etag;
  const date = parseHttpDate(ifRange, now);
  return date === secondOf(current.modifiedMs) && now - current.modifiedMs >= STRONG_AGE_MS;
}

/** A field that is no date is ignored (RFC 9110 13.1.3, 13.1.4). */
function dateOf(text: string | undefined, now: number): number | undefined {
  return text === undefined ? undefined : parseHttpDate(text, now);
}

function secondOf(ms: number): number {
  return Math.floor(ms / MS_PER_SECOND) * MS_PER_SECOND;
}

/** A list that is not well-formed matches nothing but what stands before its fault. */
function listMatches(list: string, etag: string, isWeak: boolean): boolean {
  if (list.trim() === '*') return true;
  TAG.lastIndex = 0;
  for (;;) {
    const start = TAG.lastIndex;
    const match = TAG.exec(list);
    if (match === null) return false;
    if (match[2] === etag && (isWeak || match[1] === undefined)) return true;
    if (TAG.lastIndex >= list.length || TAG.lastIndex === start) return false;
  }
}
