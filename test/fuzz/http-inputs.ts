// What the fuzz of the request parser feeds: one to three requests, most of them valid, some of them odd,
// then maybe some damage. The same seed makes the same input.

export type Random = () => number;

const METHODS = ['GET', 'POST', 'PUT', 'HEAD', 'OPTIONS', 'DELETE', 'get', 'FOO', 'CONNECT'];
const TARGETS = ['/', '/a?b=c', '/%41/../x', 'http://a/x', '*', '/|^', '//', '/a#b', 'a', ''];
const VERSIONS = [
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/1.2',
  'http/1.1',
];
const FIELDS = [
  ...['X: y', 'Accept: */*', 'Connection: keep-alive', 'Connection: close', 'Expect: 100-continue'],
  ...['X-Empty:', 'X:\t a b ', 'Cookie: a=b', 'Host: b', 'Content-Length: 3', 'Content-Length: 0'],
  ...['Content-Length: 3, 3', 'Content-Length: +3', 'Transfer-Encoding: chunked', 'TE: trailers'],
  ...['Transfer-Encoding: gzip, chunked', 'Transfer-Encoding: chunked, gzip', 'Trailer: X'],
  ...['Transfer-Encoding: xchunked', ' folded', 'Bad Name: x', 'X : y', 'X: \xe9', 'Keep-Alive: 1'],
  ...['Transfer-Encoding : chunked', 'Content-Length: 0003', 'Transfer-Encoding:', 'Upgrade: x'],
  ...['Transfer-Encoding:\tchunked', 'transfer-encoding: Chunked', 'Transfer-Encoding: chunked,'],
  ...[
    'Transfer_Encoding: chunked',
    'Content-Length: 3\r\n\t',
    'Content-Length: 99999999999999999999',
  ],
  ...[
    'Host: a, b',
    'Host: u@a',
    'Content-Length: 0x3',
    'X: y\nContent-Length: 3',
    'Connection: x, close',
  ],
];
const CHUNK_LINES = [
  '3',
  '3;a',
  '3;a=b',
  '3;a="b"',
  '03',
  '3 ',
  '3;',
  '3; a',
  'A',
  '0x3',
  '-3',
  ';a',
  '3;a="\\""',
  '3\t',
  '100000003',
  '3;a\nb',
];
const BYTES = [
  '\r',
  '\n',
  '\r\n',
  ' ',
  '\t',
  '\0',
  ':',
  ';',
  '0',
  '5',
  'a',
  '\x7f',
  '\x80',
  '"',
  ',',
  '=',
];

function pick<T>(random: Random, values: readonly T[]): T {
  const value = values[Math.floor(random() * values.length)];
  if (value === undefined) throw new Error('nothing to pick from');
  return value;
}

/** One to three requests, most of them valid, then maybe some damage. How wild a case is differs by case. */
export function makeInput(random: Random): Buffer {
  const oddness = random() < 0.5 ? 0.02 : random() * 0.4;
  let text = '';
  const count = 1 + Math.floor(random() * 3);
  for (let i = 0; i < count; i++) {
    const request = makeRequest(random, oddness);
    // Clients repeat themselves, and the parser knows it.
    text += random() < 0.3 ? request.repeat(2 + Math.floor(random() * 3)) : request;
  }
  const damages = random() < 0.5 ? 0 : 1 + Math.floor(random() * 3);
  for (let i = 0; i < damages; i++) text = damage(random, text);
  return Buffer.from(text, 'latin1');
}

function makeRequest(random: Random, oddness: number): string {
  const isOdd = (): boolean => random() < oddness;
  const method = isOdd() ? pick(random, METHODS) : pick(random, ['GET', 'POST']);
  const target = isOdd() ? pick(random, TARGETS) : '/a';
  const version = isOdd() ? pick(random, VERSIONS) : 'HTTP/1.1';
  const lines = [`${method} ${target} ${version}`];
  if (!isOdd()) lines.push('Host: a');
  while (random() < 0.4)
    lines.push(isOdd() ? pick(random, FIELDS) : pick(random, FIELDS.slice(0, 3)));
  let body = '';
  const kind = random();
  if (kind < 0.3) {
    body = 'x'.repeat(Math.floor(random() * 20));
    lines.push(`Content-Length: ${isOdd() ? body.length + 1 : body.length}`);
  } else if (kind < 0.6) {
    lines.push('Transfer-Encoding: chunked');
    body = makeChunks(random, isOdd);
  }
  return `${isOdd() ? '\r\n' : ''}${lines.join('\r\n')}\r\n\r\n${body}`;
}

function makeChunks(random: Random, isOdd: () => boolean): string {
  let text = '';
  while (random() < 0.6) {
    const line = isOdd() ? pick(random, CHUNK_LINES) : pick(random, CHUNK_LINES.slice(0, 5));
    text += `${line}\r\nabc\r\n`;
  }
  const trailer = isOdd() ? `${pick(random, FIELDS)}\r\n` : '';
  return `${text}${isOdd() ? '00' : '0'}\r\n${trailer}\r\n`;
}

function damage(random: Random, text: string): string {
  const at = Math.floor(random() * (text.length + 1));
  const length = Math.floor(random() * 3);
  switch (Math.floor(random() * 5)) {
    case 0:
      return text.slice(0, at) + pick(random, BYTES) + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(at + 1 + length);
    case 2:
      return text.slice(0, at) + pick(random, BYTES) + text.slice(at + 1);
    case 3:
      return text.slice(0, at) + text.slice(Math.max(0, at - 8), at) + text.slice(at);
    default:
      return text.slice(0, at);
  }
}
