// Reading members of JSON that somebody else wrote: every function takes anything and answers with a
// clean value or undefined, and none throws.

import { hash } from 'node:crypto';
import { KEY_PART_CHARS_MAX, NAME_CHARS_MAX, RAW_CHARS_MAX, RAW_DEPTH_MAX } from './limits.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Below this a timestamp is in seconds: as milliseconds it would lie before March 1973. */
const SECONDS_BELOW = 1e11;
/** The greatest time that a Date can hold. */
const TIME_MAX = 8.64e15;

const PAGE_ID = /^[0-9]{1,32}$/;
const USER_ID = /^[0-9A-Za-z_.:-]{1,128}$/;
const WEB_URL = /^https?:\/\/[^\s]+$/i;
const DIGITS = /^[0-9]{1,16}$/;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A string that is not empty. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** An id as a string, also when Meta wrote it as a number. */
export function idOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  return typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : undefined;
}

/** Something that can be an asset in a conversation's name; else undefined. */
export function assetIdOf(value: unknown): string | undefined {
  const id = idOf(value);
  return id !== undefined && PAGE_ID.test(id) ? id : undefined;
}

/** Something that can be a user in a conversation's name; else undefined. */
export function userIdOf(value: unknown): string | undefined {
  const id = idOf(value);
  return id !== undefined && USER_ID.test(id) ? id : undefined;
}

/** Milliseconds from milliseconds, seconds, or digits in a string (messenger.md 3.1). */
export function timeOf(value: unknown): number | undefined {
  const time = typeof value === 'string' && DIGITS.test(value) ? Number(value) : value;
  if (typeof time !== 'number' || !(time > 0)) return undefined;
  const ms = Math.floor(time < SECONDS_BELOW ? time * 1000 : time);
  return ms <= TIME_MAX ? ms : undefined;
}

/** A whole number from a number or its digits. */
export function countOf(value: unknown): number | undefined {
  const count = typeof value === 'string' && DIGITS.test(value) ? Number(value) : value;
  return typeof count === 'number' && Number.isSafeInteger(count) && count >= 0 ? count : undefined;
}

/** Only http and https: a link from outside must never become a script in somebody's page. */
export function webUrlOf(value: unknown): string | undefined {
  return typeof value === 'string' && WEB_URL.test(value) ? value : undefined;
}

/** The name of something unknown, short enough to log and to count by. */
export function nameOf(value: string): string {
  return value.slice(0, NAME_CHARS_MAX);
}

/** The value itself when it can be stored: neither too large nor nested beyond what is sensible. */
export function boundedOf(value: unknown): unknown {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'object') {
    return typeof value === 'string' && value.length > RAW_CHARS_MAX ? undefined : value;
  }
  if (!isShallow(value, RAW_DEPTH_MAX)) return undefined;
  return JSON.stringify(value).length <= RAW_CHARS_MAX ? value : undefined;
}

/** Deep nesting would exhaust the stack of whoever serialises it later. */
function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((member) => isShallow(member, depth - 1));
}

/** Drops members that are undefined, so that what is built here has only what Meta sent. */
export function defined<Shape extends Record<string, unknown>>(shape: Shape): JsonObject {
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(shape)) {
    if (value !== undefined) result[name] = value;
  }
  return result;
}

/** A piece of a dedupe key; monstrous ones are replaced by their hash. */
export function keyPart(value: string): string {
  return value.length <= KEY_PART_CHARS_MAX ? value : `#${hashOf(value)}`;
}

/** 32 hex digits that depend on the content only, not on the order of members. */
export function hashOf(value: unknown): string {
  return hash('sha256', stableText(value, RAW_DEPTH_MAX), 'hex').slice(0, 32);
}

function stableText(value: unknown, depth: number): string {
  if (depth === 0) return '"…"';
  if (Array.isArray(value)) {
    return `[${value.map((member) => stableText(member, depth - 1)).join(',')}]`;
  }
  if (!isObject(value)) return JSON.stringify(value) ?? 'null';
  const members = Object.keys(value)
    .filter((name) => value[name] !== undefined)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${stableText(value[name], depth - 1)}`);
  return `{${members.join(',')}}`;
}
