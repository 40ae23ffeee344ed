// From Meta's answer to a failure in our words: class, agent error code, sentence, and how long to wait.
// No token and no secret gets into any text: Meta's own words are cut and cleaned before they are shown.

import { ERROR_TABLE } from './error-table.ts';
import { defined, isObject, type JsonObject, nameOf, textOf } from './fields.ts';
import { META_REASON_CHARS_MAX, RETRY_AFTER_MS_MAX } from './limits.ts';
import type { GraphErrorClass, GraphFailure } from './types.ts';

/**
 * Subcodes as long as these mean the same wherever they stand; small ones only beside their code.
 */
const UNIQUE_FROM = 1_000_000;

const BY_PAIR = new Map<string, GraphErrorClass>();
const BY_UNIQUE = new Map<number, GraphErrorClass>();
const BY_CODE = new Map<number, { readonly class: GraphErrorClass; readonly bareOnly: boolean }>();
for (const row of ERROR_TABLE) {
  if (row.subcode === undefined) {
    BY_CODE.set(row.code, { class: row.class, bareOnly: row.bareOnly === true });
    if (row.code >= UNIQUE_FROM) BY_UNIQUE.set(row.code, row.class);
  } else {
    BY_PAIR.set(`${row.code}/${row.subcode}`, row.class);
    if (row.subcode >= UNIQUE_FROM) BY_UNIQUE.set(row.subcode, row.class);
  }
}

/** Members of Meta's error envelope that decide something. */
export interface GraphErrorBody {
  readonly code?: number;
  readonly subcode?: number;
  readonly type?: string;
  readonly isTransient: boolean;
  readonly fbtraceId?: string;
  /** Meta's sentence: only shown after `cleanReason`. */
  readonly reason?: string;
}

const MEANINGS: Readonly<
  Record<
    GraphErrorClass,
    { readonly code: string; readonly text: string; readonly retryable: boolean }
  >
> = {
  L: { code: 'rate_limited', text: 'Meta limits this Page for a while.', retryable: true },
  R: {
    code: 'unavailable',
    text: 'Meta could not take the call; nothing was sent.',
    retryable: true,
  },
  U: {
    code: 'unavailable',
    text: "Meta's answer is missing: the message may have been sent.",
    retryable: false,
  },
  T: {
    code: 'page_paused',
    text: "Meta refuses the Page's token or a permission; the Page must be connected again.",
    retryable: true,
  },
  X: { code: 'page_paused', text: 'Meta restricts sending for this Page.', retryable: true },
  W: {
    code: 'window_closed',
    text: 'The time in which the Page may answer this person is over.',
    retryable: false,
  },
  B: {
    code: 'recipient_unavailable',
    text: 'This person cannot be reached now.',
    retryable: false,
  },
  P: { code: 'rejected', text: 'Meta refuses the message.', retryable: false },
  O: { code: 'not_owner', text: 'Another app has this conversation.', retryable: true },
};

/**
 * The class of an error that Meta explained; the HTTP status decides for codes that no row names.
 */
export function classify(status: number, error: GraphErrorBody): GraphErrorClass {
  if (status >= 500) return 'U';
  const known = lookUp(error.code, error.subcode);
  if (known !== undefined) return known;
  if (error.isTransient) return 'U';
  return status === 429 ? 'L' : 'P';
}

function lookUp(
  code: number | undefined,
  subcode: number | undefined,
): GraphErrorClass | undefined {
  if (code === undefined) return undefined;
  const pair = subcode === undefined ? undefined : BY_PAIR.get(`${code}/${subcode}`);
  if (pair !== undefined) return pair;
  const unique = BY_UNIQUE.get(subcode ?? -1) ?? BY_UNIQUE.get(code);
  if (unique !== undefined) return unique;
  const row = BY_CODE.get(code);
  if (row === undefined || (row.bareOnly && subcode !== undefined)) return undefined;
  return row.class;
}

/** Meta's envelope out of a parsed body; undefined when there is none. */
export function readErrorBody(body: unknown): GraphErrorBody | undefined {
  const error = isObject(body) ? body['error'] : undefined;
  if (!isObject(error)) return undefined;
  return {
    isTransient: error['is_transient'] === true,
    ...defined({
      code: numberOf(error['code']),
      subcode: numberOf(error['error_subcode']),
      type: shortOf(error['type']),
      fbtraceId: shortOf(error['fbtrace_id']),
      reason: textOf(error['error_user_msg']) ?? textOf(error['message']),
    }),
  };
}

function numberOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : undefined;
}

function shortOf(value: unknown): string | undefined {
  const text = textOf(value);
  return text === undefined ? undefined : nameOf(text);
}

/**
 * @param status HTTP status; absent when there was no answer
 * @param error Meta's envelope, if one came
 * @param more retryAfterMs of class L; secrets that must not show, whatever Meta repeats
 */
export function failureOf(
  kind: GraphErrorClass,
  status: number | undefined,
  error: GraphErrorBody | undefined,
  more: { readonly retryAfterMs?: number | undefined; readonly secrets?: readonly string[] } = {},
): GraphFailure {
  const meaning = MEANINGS[kind];
  const reason = kind === 'P' ? cleanReason(error?.reason, more.secrets ?? []) : undefined;
  const meta = defined({
    status,
    code: error?.code,
    subcode: error?.subcode,
    type: error?.type,
    fbtraceId: error?.fbtraceId,
  });
  return {
    class: kind,
    code: meaning.code,
    message: reason === undefined ? meaning.text : `${meaning.text} ${reason}`,
    retryable: meaning.retryable,
    ...(Object.keys(meta).length === 0 ? undefined : { meta }),
    ...(more.retryAfterMs === undefined ? undefined : { retryAfterMs: more.retryAfterMs }),
  };
}

/** Meta repeats parameters in its sentences; tokens begin with EAA. */
export function cleanReason(
  reason: string | undefined,
  secrets: readonly string[],
): string | undefined {
  if (reason === undefined) return undefined;
  let text = reason;
  for (const secret of secrets) if (secret !== '') text = text.replaceAll(secret, '***');
  text = text.replace(/EAA[0-9A-Za-z]{8,}/g, '***').replace(/[0-9a-fA-F]{32,}/g, '***');
  return text.replace(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, META_REASON_CHARS_MAX);
}

/**
 * How long Meta's usage header asks to wait: the longest of the entries, given in minutes.
 * @param header value of X-Business-Use-Case-Usage; anything unreadable means nothing
 */
export function retryAfterOf(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  let usage: unknown;
  try {
    usage = JSON.parse(header);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const minutes = (isObject(usage) ? Object.values(usage) : [])
    .flatMap((entries) => (Array.isArray(entries) ? entries : []))
    .filter((entry): entry is JsonObject => isObject(entry))
    .map((entry) => numberOf(entry['estimated_time_to_regain_access']) ?? 0);
  const longest = Math.max(0, ...minutes);
  return longest === 0 ? undefined : Math.min(longest * 60_000, RETRY_AFTER_MS_MAX);
}
