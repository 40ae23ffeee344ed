// Paths and methods to handlers.

import { describe, expect, test } from 'vitest';
import { PathTable } from '../../../../lib/http/path-table.ts';
import { Router } from '../../../../lib/server/http/router.ts';

const PATTERNS = [
  ...['/', '/a', '/a/b', '/a/:x', '/a/:x/c', '/a/b/*', '/files/*', '/files/:name', '/files/x/y'],
  ...['/:p/:q/:r', '/a/b/d'],
];

describe('a table of paths', () => {
  const table = new PathTable<string>();
  for (const pattern of PATTERNS) table.add(pattern, pattern);

  test.each<[string, string | undefined, Record<string, string>?]>([
    ['/', '/'],
    ['/a', '/a'],
    ['/a/b', '/a/b'],
    ['/a/', undefined],
    ['/a/z', '/a/:x', { x: 'z' }],
    ['/a/b%20c', '/a/:x', { x: 'b c' }],
    ['/a/z/c', '/a/:x/c', { x: 'z' }],
    ['/a/b/c', '/a/b/*', { '*': 'c' }],
    ['/a/b/d', '/a/b/d'],
    ['/a/b/', '/a/b/*', { '*': '' }],
    ['/a/z/z', '/:p/:q/:r', { p: 'a', q: 'z', r: 'z' }],
    ['/files/x', '/files/:name', { name: 'x' }],
    ['/files/', '/files/*', { '*': '' }],
    ['/files/x/y', '/files/x/y'],
    ['/files/x/z/w', '/files/*', { '*': 'x/z/w' }],
    ['/files/x/z', '/files/*', { '*': 'x/z' }],
    ['/b', undefined],
    ['/b/c/d/e', undefined],
    ['', undefined],
    ['*', undefined],
    ['/A', undefined],
    ['//', undefined],
    [`/${'a/'.repeat(4000)}`, undefined],
  ])('finds %j as %j', (path, entry, params = {}) => {
    const found = table.find(path);
    if (found === 'malformed') throw new Error('malformed');
    expect(found?.entry).toBe(entry);
    if (found !== undefined) expect({ ...found.params }).toEqual(params);
  });

  test.each(['/a/%', '/a/%zz', '/a/%ff', '/files/x/%e9/y'])('calls %j malformed', (path) => {
    expect(table.find(path)).toBe('malformed');
  });

  test.each([
    ...['', 'a', '/a/*/b', '/a*', '/a?b', '/a#b', '/a b', '/:', '/:x/:x', '/**'],
    ...[`${'/:a'}${'/x'.repeat(32)}`, ...PATTERNS, '/a/:other'],
  ])('does not take %j', (pattern) => {
    expect(() => table.add(pattern, 'again')).toThrow(
      expect.objectContaining({ code: 'ERR_ARG_RANGE' }),
    );
  });

  test('parameters have no inherited names', () => {
    const found = table.find('/a/z');
    expect(found === 'malformed' ? '' : found?.params['constructor']).toBeUndefined();
  });
});

describe('a router', () => {
  const router = new Router();
  const handlers = new Map<string, () => void>();
  for (const route of [
    'GET /a',
    'POST /a',
    'HEAD /h',
    'GET /h',
    'GET /x/:y',
    'PUT /x/*',
    'OPTIONS /o',
  ]) {
    const [method = '', path = ''] = route.split(' ');
    const handler = (): void => undefined;
    handlers.set(route, handler);
    router.add(method, path, handler);
  }

  test.each([
    ['GET', '/a', 'GET /a'],
    ['HEAD', '/a', 'GET /a'],
    ['HEAD', '/h', 'HEAD /h'],
    ['GET', '/x/1', 'GET /x/:y'],
    ['HEAD', '/x/1', 'GET /x/:y'],
    ['PUT', '/x/1', 'PUT /x/*'],
    ['OPTIONS', '/o', 'OPTIONS /o'],
  ])('takes %s %s to %s', (method, path, route) => {
    const found = router.match(method, path);
    expect(found.kind === 'handler' && found.handler === handlers.get(route)).toBe(true);
  });

  test.each([
    ['DELETE', '/a', 'GET, HEAD, OPTIONS, POST'],
    ['POST', '/x/1', 'GET, HEAD, OPTIONS, PUT'],
    ['GET', '/x/1/2', 'OPTIONS, PUT'],
    ['OPTIONS', '/a', 'GET, HEAD, OPTIONS, POST'],
    ['OPTIONS', '*', 'GET, HEAD, OPTIONS, POST, PUT'],
  ])('answers %s %s with Allow: %s', (method, path, allow) => {
    expect(router.match(method, path)).toEqual({ kind: 'method', allow });
  });

  test('knows what is nowhere', () => {
    expect(router.match('GET', '/none')).toEqual({ kind: 'none' });
    expect(router.match('GET', '/x/%')).toEqual({ kind: 'malformed' });
  });

  test.each<[string, string, unknown]>([
    ['GET', '/a', () => undefined],
    ['G T', '/b', () => undefined],
    ['', '/b', () => undefined],
    ['GET', 'b', () => undefined],
    ['GET', '/b', 'no function'],
  ])('does not take %s %s', (method, path, handler) => {
    expect(() => router.add(method, path, handler as () => void)).toThrow(/./);
  });
});
