// Where a text stops being JSON (RFC 8259). JSON.parse says so only in its message, which may quote the text
// and with it a secret; the configuration's faults give the place alone.

const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/;
/** White space, then a string, another scalar, a mark, or the end. */
const TOKEN = new RegExp(
  `[ \\t\\r\\n]*(?:(${STRING.source})|(${SCALAR.source})|([[\\]{}:,])|$)`,
  'y',
);
const SPACE = /[ \t\r\n]*/y;

type Expected = 'value' | 'first-value' | 'key' | 'first-key' | 'colon' | 'after';

/** Line and column, both from 1, of the first token that JSON does not allow; undefined if all is JSON. */
export function findJsonFault(text: string): { line: number; col: number } | undefined {
  const open: string[] = [];
  let expected: Expected = 'value';
  TOKEN.lastIndex = 0;
  for (;;) {
    const start = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) return placeOf(text, start);
    const [, string, scalar, mark] = match;
    const isEnd = string === undefined && scalar === undefined && mark === undefined;
    if (isEnd && expected === 'after' && open.length === 0) return undefined;
    const next: Expected | undefined = isEnd
      ? undefined
      : nextExpected(expected, mark ?? (string && 'string'), open);
    if (next === undefined) return placeOf(text, start);
    expected = next;
  }
}

/** @param token a mark, 'string', or undefined for another scalar; @returns undefined where it is wrong */
function nextExpected(
  expected: Expected,
  token: string | undefined,
  open: string[],
): Expected | undefined {
  const inside = open.at(-1);
  if (expected === 'colon') return token === ':' ? 'value' : undefined;
  if (token === '}' && inside === '{' && (expected === 'first-key' || expected === 'after')) {
    open.pop();
    return 'after';
  }
  if (token === ']' && inside === '[' && (expected === 'first-value' || expected === 'after')) {
    open.pop();
    return 'after';
  }
  if (expected === 'after') {
    if (token !== ',' || inside === undefined) return undefined;
    return inside === '{' ? 'key' : 'value';
  }
  if (expected === 'key' || expected === 'first-key') {
    return token === 'string' ? 'colon' : undefined;
  }
  if (token === '{' || token === '[') {
    open.push(token);
    return token === '{' ? 'first-key' : 'first-value';
  }
  return token === 'string' || token === undefined ? 'after' : undefined;
}

function placeOf(text: string, end: number): { line: number; col: number } {
  SPACE.lastIndex = end;
  const at = end + (SPACE.exec(text)?.[0].length ?? 0);
  const before = text.slice(0, at).split('\n');
  return { line: before.length, col: (before.at(-1) ?? '').length + 1 };
}
