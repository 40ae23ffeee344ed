// The Range field (RFC 9110 14): which bytes of a representation are asked for. Knows no file.

/** Ranges of one request; more is refused, since each costs a head of its own. */
export const RANGES_MAX = 16;
/** Ranges that overlap another one; RFC 9110 14.2 lets a server refuse more. */
const OVERLAPPING_MAX = 2;
const UNIT = /^bytes[ \t]*=/i;
const SPEC = /^[ \t]*(\d{0,15})-(\d{0,15})[ \t]*$/;

/** Both ends included, as Content-Range has them. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * @param size bytes of the representation
 * @returns the ranges that it has, in the order of the request; 'ignore' for a field that is not valid or
 *   of another unit; 'refuse' when none is satisfiable, when there are too many or too many overlap (416)
 */
export function parseRanges(
  field: string,
  size: number,
): readonly ByteRange[] | 'ignore' | 'refuse' {
  const unit = UNIT.exec(field);
  if (unit === null) return 'ignore';
  const specs = field.slice(unit[0].length).split(',', RANGES_MAX + 1);
  const ranges: ByteRange[] = [];
  for (const spec of specs) {
    const match = SPEC.exec(spec);
    if (match === null) return 'ignore';
    const range = rangeOf(match[1] ?? '', match[2] ?? '', size);
    if (range === 'ignore') return 'ignore';
    if (range !== undefined) ranges.push(range);
  }
  if (specs.length > RANGES_MAX || ranges.length === 0) return 'refuse';
  return countOverlapping(ranges) > OVERLAPPING_MAX ? 'refuse' : ranges;
}

/** @returns undefined for one that is not satisfiable */
function rangeOf(from: string, to: string, size: number): ByteRange | 'ignore' | undefined {
  if (from === '') {
    if (to === '') return 'ignore';
    const length = Math.min(Number(to), size);
    return length === 0 ? undefined : { first: size - length, last: size - 1 };
  }
  const first = Number(from);
  if (to !== '' && Number(to) < first) return 'ignore';
  if (first >= size) return undefined;
  return { first, last: to === '' ? size - 1 : Math.min(Number(to), size - 1) };
}

function countOverlapping(ranges: readonly ByteRange[]): number {
  return ranges.filter((one) =>
    ranges.some((other) => other !== one && other.first <= one.last && one.first <= other.last),
  ).length;
}
