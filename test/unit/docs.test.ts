// The documents say what the program does: their samples parse, and their tables have exactly what the
// code has. What the samples do when they run is in test/integration/docs.test.ts.

import { readFileSync } from 'node:fs';
import { parseAst } from 'vite';
import { describe, expect, test } from 'vitest';
import { ERROR_CODES } from '../../lib/base/errors.ts';
import { checkConfig } from '../../lib/gateway/config.ts';
import { configSchema } from '../../lib/gateway/config-schema.ts';
import { Disconnects } from '../../lib/gateway/disconnect.ts';
import * as gatewayLimits from '../../lib/gateway/limits.ts';
import { createMetrics } from '../../lib/gateway/metrics.ts';
import { PROBLEMS } from '../../lib/gateway/problem.ts';
import { REPLY_CODES } from '../../lib/gateway/request-error.ts';
import { createCounters } from '../../lib/gateway/stats.ts';
import * as codecLimits from '../../lib/http/limits.ts';
import { HIGH_WATER_BYTES } from '../../lib/native/layout.ts';
import { HTTP_LIMITS } from '../../lib/server/http/http-application.ts';
import { HELD_BYTES_MAX } from '../../lib/server/http/http-connection.ts';
import { WEBSOCKET_LIMITS } from '../../lib/server/websocket/websocket-limits.ts';
import { DEFLATE_DEFAULTS, WINDOW_BITS_MAX } from '../../lib/websocket/deflate-options.ts';
import { blocksOf } from '../support/document-blocks.ts';

const read = (name: string): string =>
  readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

/** First cells of a table's rows that are a single code span. */
function firstCells(text: string): string[] {
  return [...text.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1] ?? '');
}

function section(text: string, title: string): string {
  const start = text.indexOf(`# ${title}\n`);
  expect(start, title).toBeGreaterThan(0);
  const end = text.indexOf('\n#', start + 1);
  return text.slice(start, end === -1 ? undefined : end);
}

describe('samples', () => {
  const blocks = [
    'library.md',
    'client.md',
    'ws.md',
    'swoole.md',
    'processes.md',
    'workerman.md',
  ].flatMap((name) =>
    blocksOf(read(name), ['js', 'ts']).map((block) => ({
      ...block,
      title: `${name}:${block.line}`,
    })),
  );

  test('there are some', () => {
    expect(blocks.length).toBeGreaterThan(8);
  });

  test.each(blocks)('$title parses', ({ code, language }) => {
    parseAst(code, { lang: language === 'ts' ? 'ts' : 'js' });
  });
});

interface Schema {
  readonly def: {
    readonly type: string;
    readonly shape?: Readonly<Record<string, Schema>>;
    readonly element?: Schema;
    readonly innerType?: Schema;
  };
}

/** Every key of the schema that holds a value, lists as `name[]`. */
function keysOf(schema: Schema, path = ''): string[] {
  const { shape, element, innerType } = schema.def;
  if (innerType !== undefined) return keysOf(innerType, path);
  if (element !== undefined) return keysOf(element, `${path}[]`);
  if (shape === undefined) return [path];
  return Object.entries(shape).flatMap(([name, member]) =>
    keysOf(member, path === '' ? name : `${path}.${name}`),
  );
}

describe('configuration.md', () => {
  const text = read('configuration.md');
  const rows = [...text.matchAll(/^\| `([a-zA-Z.[\]]+)` \| (.+?) \|/gm)].map((match) => ({
    key: match[1] ?? '',
    value: match[2] ?? '',
  }));

  test('lists exactly the keys of the schema', () => {
    expect(rows.map((row) => row.key).sort()).toEqual(
      keysOf(configSchema as unknown as Schema).sort(),
    );
  });

  const example = (language: string): string => blocksOf(text, [language])[0]?.code ?? '';
  const env = { APP_SECRET: 'a', PAGE_TOKEN: 'b', JWT_SECRET: 'x'.repeat(32), VERIFY: 'v' };
  const inline = example('json').replace('file:verify-token', 'env:VERIFY');

  test('its examples are the same, and valid', async () => {
    const { parse } = await import('yaml');
    expect(parse(example('yaml'))).toEqual(JSON.parse(example('json')));
    expect(checkConfig(JSON.parse(inline), env).faults).toEqual([]);
  });

  test('its variables are taken', () => {
    const lines = [...text.matchAll(/^(SLUICE_[A-Z0-9_]+)=(.*)$/gm)];
    expect(lines.length).toBeGreaterThan(4);
    const variables = Object.fromEntries(
      lines.map((match) => [match[1] ?? '', (match[2] ?? '').replace(/^'|'$/g, '')]),
    );
    const { config, faults } = checkConfig(JSON.parse(inline), { ...env, ...variables });
    expect(faults).toEqual([]);
    expect(config).toMatchObject({ limits: { requestsPerSecond: 20 }, listen: [{ port: 8081 }] });
  });

  test('says the defaults that hold', () => {
    const minimal = {
      messenger: {
        verifyToken: 'v',
        appId: '1',
        appSecrets: ['s'],
        pages: [{ id: '2', accessToken: 't' }],
      },
      agents: { jwt: { secret: 'x'.repeat(32) } },
    };
    const { config } = checkConfig(minimal);
    const words: Record<string, unknown> = { none: undefined, empty: '', 'empty list': [] };
    for (const { key, value } of rows) {
      if (value === 'required' || key === 'agents.jwt.secret') continue;
      const path = value === 'empty list' ? key.replace('[]', '') : key.replaceAll('[]', '.0');
      const actual = path
        .split('.')
        .reduce<unknown>((node, name) => (node as Record<string, unknown>)?.[name], config);
      const said = value in words ? words[value] : value.replaceAll('`', '');
      expect(typeof said === 'string' ? String(actual) : actual, key).toEqual(said);
    }
  });
});

describe('protocol.md', () => {
  const text = read('protocol.md');

  test('names every error code and no other', () => {
    const codes = section(text, 'Error codes');
    const named = new Set([...codes.matchAll(/`([a-z_]{5,})`/g)].map((match) => match[1] ?? ''));
    expect(Object.keys(REPLY_CODES).filter((code) => !named.has(code))).toEqual([]);
    for (const code of firstCells(codes)) expect(Object.keys(REPLY_CODES)).toContain(code);
    const said = [...codes.matchAll(/^\| `(\w+)` \| (yes|no) \|/gm)];
    for (const [, code, isRetryable] of said) {
      expect(isRetryable, code).toBe(REPLY_CODES[code as keyof typeof REPLY_CODES] ? 'yes' : 'no');
    }
  });

  test('names every close code that the gateway gives', () => {
    const codes = section(text, 'Close codes');
    for (const { code } of Object.values(Disconnects)) expect(codes).toContain(String(code));
  });

  test('shows a session in which every frame is JSON', () => {
    const [block] = blocksOf(section(text, 'A session, as it goes over the wire'), ['']);
    const frames = (block?.code ?? '').split('\n').filter((line) => /^[<>] /.test(line));
    expect(frames.length).toBeGreaterThan(15);
    for (const line of frames) {
      if (!line.includes(', … ')) JSON.parse(line.slice(2));
    }
  });
});

describe('http.md', () => {
  const text = read('http.md');

  test('lists the problem codes with their status', () => {
    const said = [...section(text, 'Errors').matchAll(/^\| `(\w+)` \| (\d{3})/gm)];
    expect(Object.fromEntries(said.map(([, code, status]) => [code, Number(status)]))).toEqual(
      Object.fromEntries(Object.entries(PROBLEMS).map(([code, { status }]) => [code, status])),
    );
  });

  test('gives the limits the values that they have', () => {
    const limits: Readonly<Record<string, unknown>> = {
      ...gatewayLimits,
      ...codecLimits,
      ...HTTP_LIMITS,
      HELD_BYTES_MAX,
    };
    const units: Readonly<Record<string, number>> = { s: 1000, KiB: 1024, characters: 1, '': 1 };
    const rows = [...section(text, 'Limits and times').matchAll(/\| ([\d.]+) ?(\w*) \| `(\w+)`/g)];
    expect(rows.length).toBeGreaterThan(12);
    for (const [, number, unit, name] of rows) {
      expect(Number(number) * (units[unit ?? ''] ?? Number.NaN), name).toBe(limits[name ?? '']);
    }
  });
});

/** EventLoopAdopt is in event_loop_adopt_test.cc, and EventLoopTest in event_loop_test.cc. */
function nativeTestOf(suite: string): string {
  const words = suite.replace(/Test$/, '').matchAll(/[A-Z][a-z]+/g);
  return Array.from(words, ([word]) => word.toLowerCase()).join('_');
}

test('ARCHITECTURE.md names tests that exist for the rules of ownership', () => {
  const text = readFileSync(new URL('../../ARCHITECTURE.md', import.meta.url), 'utf8');
  const rows = section(text, 'Ownership')
    .split('\n')
    .filter((line) => /^\| \d/.test(line));
  expect(rows.length).toBe(9);
  for (const row of rows) {
    for (const [, suite, name] of row.matchAll(/`(\w+)\.(\w+)`/g)) {
      const file = nativeTestOf(suite ?? '');
      const source = readFileSync(new URL(`../native/${file}_test.cc`, import.meta.url), 'utf8');
      expect(source).toContain(`(${suite}, ${name})`);
    }
    for (const [, file, title] of row.matchAll(/([a-z-]+): "([^"]+)"/g)) {
      const source = new URL(`../integration/${file}.test.ts`, import.meta.url);
      expect(readFileSync(source, 'utf8')).toContain(`'${title}'`);
    }
  }
});

test('library.md gives the options the defaults that they have', () => {
  const limits: Readonly<Record<string, unknown>> = {
    ...HTTP_LIMITS,
    ...WEBSOCKET_LIMITS,
    queueBytes: WEBSOCKET_LIMITS.queueBytesMax,
    high: HIGH_WATER_BYTES,
  };
  const units: Readonly<Record<string, number>> = { s: 1000, KiB: 1024, MiB: 1024 * 1024 };
  const text = section(read('library.md'), 'Options and their defaults');
  const rows = [...text.matchAll(/^\| `(\w+)` \| (\d+) (\w+)/gm)];
  expect(rows.length).toBe(8);
  for (const [, name, number, unit] of rows) {
    expect(Number(number) * (units[unit ?? ''] ?? Number.NaN), name).toBe(limits[name ?? '']);
  }
  expect(limits['high']).toBe(64 * 1024);
  expect(read('library.md')).toContain('fewer than 64 KiB are pending');
});

test('library.md gives the defaults of deflate', () => {
  const text = section(read('library.md'), 'Compression');
  const rows = [...text.matchAll(/^\| `(\w+)` \| (\S+) \|/gm)].map(([, name, value]) => [
    name,
    value,
  ]);
  const { threshold, level, memLevel, shared } = DEFLATE_DEFAULTS;
  expect(rows).toEqual([
    ['threshold', `${threshold}`],
    ['level', `${level}`],
    ['memLevel', `${memLevel}`],
    ['shared', `\`${shared}\``],
    ['serverNoContextTakeover', '`shared`'],
    ['clientNoContextTakeover', '`shared`'],
    ['serverMaxWindowBits', `${WINDOW_BITS_MAX}`],
    ['clientMaxWindowBits', `${WINDOW_BITS_MAX}`],
  ]);
});

describe('operations.md', () => {
  test('lists exactly the metrics that are scraped', async () => {
    const stats = { ...createCounters(), sessions: 0, connections: 0, head: 0, epoch: '' };
    const scraped = await createMetrics(() => stats).text();
    const names = [...scraped.matchAll(/^# HELP (sluice_\w+)/gm)].map((match) => match[1]);
    const said = firstCells(section(read('operations.md'), 'Metrics'));
    expect(said.sort()).toEqual(names.sort());
  });

  test('names only errors that exist', () => {
    for (const [code] of read('operations.md').matchAll(/ERR_[A-Z_]+/g)) {
      expect(Object.keys(ERROR_CODES)).toContain(code);
    }
  });
});
