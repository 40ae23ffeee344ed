// Long texts become several messages: each within the channel's limit, in order, cut between lines,
// sentences or words where there is one, and never inside a character that people see as one.

import { INSTAGRAM_TEXT_BYTES_MAX, TEXT_UNITS_MAX } from './limits.ts';

/** Text behind a cut that the segmenter needs to see a character whole. */
const LOOK_AHEAD_UNITS = 128;
/** A break is taken when it leaves a part of at least this share of the limit. */
const SHORTEST_SHARE = 0.5;

/** Best first: a blank line, a line, a sentence (also in Chinese), a word. */
const BREAKS: readonly RegExp[] = [
  /\n[ \t]*\n/g,
  /\n/g,
  /[.!?…]["')\]]*\s|[。！？；]/g,
  /\s|[，、]/g,
];

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/**
 * @param text any text; parts that hold white space only are left out, since Meta refuses them
 * @param unitsMax UTF-16 units per part, at least 1
 * @returns the parts in order; together they are the text
 */
export function splitText(text: string, unitsMax: number = TEXT_UNITS_MAX): string[] {
  return split(text, (rest) => Math.min(unitsMax, rest.length));
}

/** The same with a limit in UTF-8 bytes, at least 4: Instagram counts so. */
export function splitTextByBytes(
  text: string,
  bytesMax: number = INSTAGRAM_TEXT_BYTES_MAX,
): string[] {
  return split(text, (rest) => unitsWithin(rest, bytesMax));
}

function split(text: string, fitting: (rest: string) => number): string[] {
  const parts: string[] = [];
  let rest = text;
  while (rest.length > 0) {
    const fits = fitting(rest);
    const cut = fits >= rest.length ? rest.length : cutBefore(rest, fits);
    const part = rest.slice(0, cut);
    if (part.trim() !== '') parts.push(part);
    rest = rest.slice(cut);
  }
  return parts;
}

/** The longest prefix of whole code points within so many bytes, in UTF-16 units. */
function unitsWithin(text: string, bytesMax: number): number {
  let bytes = 0;
  let units = 0;
  while (units < text.length) {
    const point = text.codePointAt(units) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (bytes > bytesMax) break;
    units += point < 0x10000 ? 1 : 2;
  }
  return units;
}

/** Where to cut so that at most `fits` units stand before it. */
function cutBefore(text: string, fits: number): number {
  const segments = segmenter.segment(text.slice(0, fits + LOOK_AHEAD_UNITS));
  const isBoundary = (at: number): boolean => (segments.containing(at)?.index ?? at) === at;
  const head = text.slice(0, fits);
  for (const pattern of BREAKS) {
    const at = lastBreak(head, pattern, isBoundary);
    if (at >= fits * SHORTEST_SHARE) return at;
  }
  const whole = segments.containing(fits)?.index ?? fits;
  if (whole > 0) return whole;
  // One character longer than the limit: its code points have to do.
  return isHighSurrogate(text, fits - 1) && fits > 1 ? fits - 1 : fits;
}

/** The last place behind a break that is also the end of a whole character; -1 without one. */
function lastBreak(head: string, pattern: RegExp, isBoundary: (at: number) => boolean): number {
  const ends = Array.from(head.matchAll(pattern), (match) => match.index + match[0].length);
  return ends.findLast(isBoundary) ?? -1;
}

function isHighSurrogate(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xd800 && unit <= 0xdbff;
}
