// JSON whose long integers survive: ids of sixteen digits and more would be rounded by a double, so
// they are turned into strings before JSON.parse sees them. Ordinary bodies take the direct way.

import { SAFE_INTEGER_DIGITS_MAX } from './limits.ts';

/**
 * A long run of digits that no quote precedes. Also true inside some texts: then the slow way
 * decides.
 */
const MAYBE_LONG_INTEGER = /[\s:,[]-?[0-9]{16}/;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;

/**
 * Like JSON.parse, but integers of 16 digits and more come out as strings of their digits.
 * @throws SyntaxError when the text is not JSON
 */
export function parseJson(text: string): unknown {
  return JSON.parse(MAYBE_LONG_INTEGER.test(text) ? quoteLongIntegers(text) : text);
}

/** Puts long integers into quotes; whatever stands inside a string stays as it is. */
export function quoteLongIntegers(text: string): string {
  let result = '';
  let copied = 0;
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at + 1);
    } else if (isDigit(code) || code === MINUS) {
      const end = endOfNumber(text, at + 1);
      if (isLongInteger(text, at, end)) {
        result += `${text.slice(copied, at)}"${text.slice(at, end)}"`;
        copied = end;
      }
      at = end;
    } else {
      at++;
    }
  }
  return result + text.slice(copied);
}

function endOfString(text: string, from: number): number {
  let at = from;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    at += code === BACKSLASH ? 2 : 1;
  }
  return at;
}

/**
 * Past everything that a number may hold, so that 1.5e20 and broken numbers are left to
 * JSON.parse.
 */
function endOfNumber(text: string, from: number): number {
  let at = from;
  while (at < text.length && isNumberPart(text.charCodeAt(at))) at++;
  return at;
}

function isNumberPart(code: number): boolean {
  // Digits, '+', '-', '.', 'E', 'e'.
  return (
    isDigit(code) || code === 0x2b || code === MINUS || code === 0x2e || (code | 0x20) === 0x65
  );
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

function isLongInteger(text: string, start: number, end: number): boolean {
  const first = text.charCodeAt(start) === MINUS ? start + 1 : start;
  if (end - first <= SAFE_INTEGER_DIGITS_MAX || text.charCodeAt(first) === ZERO) return false;
  for (let at = first; at < end; at++) if (!isDigit(text.charCodeAt(at))) return false;
  return true;
}
