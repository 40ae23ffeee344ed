// Style is a test: layers, sizes, leftovers, exports, and the two lists of error codes.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ERROR_CODES } from '../../lib/base/errors.ts';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const LINES_MAX = 400;
const TEST_LINES_MAX = 600;
const FUNCTION_LINES_MAX = 70;
const COLUMNS_MAX = 100;

/** Which rooms a room may import at run time. `import type` may also reach sideways into `TYPES_ONLY`. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  native: ['base'],
  net: ['base', 'native'],
  http: ['base', 'native'],
  websocket: ['base', 'native'],
  server: ['base', 'native', 'net', 'http', 'websocket'],
  process: ['base', 'native', 'net', 'server'],
  messenger: ['base', 'native'],
  journal: ['base', 'native'],
  desk: ['base'],
  client: [],
  compat: ['base', 'native', 'net', 'http', 'websocket', 'server', 'process'],
  gateway: ['base', 'native', 'net', 'server', 'process', 'messenger', 'journal', 'desk', 'client'],
  simulator: ['base', 'net', 'server', 'messenger'],
  console: ['client'],
  cli: [
    ...['base', 'net', 'server', 'process', 'messenger', 'journal', 'desk', 'gateway'],
    ...['simulator', 'client'],
  ],
};
const TYPES_ONLY: Readonly<Record<string, readonly string[]>> = {
  client: ['desk'],
  console: ['desk'],
  http: ['net'],
  websocket: ['net'],
};

function filesBelow(folder: string, pattern: RegExp): string[] {
  const absolute = join(ROOT, folder);
  if (!existsSync(absolute)) return [];
  return readdirSync(absolute, { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name))
    .sort();
}

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const sources = filesBelow('lib', /\.tsx?$/);
const tests = filesBelow('test', /\.ts$/);
const native = filesBelow('native', /\.(cc|h)$/);

interface Import {
  readonly file: string;
  readonly target: string;
  readonly isType: boolean;
}

function importsOf(file: string): Import[] {
  const found: Import[] = [];
  const pattern = /^(?:import|export)\s+(type\s+)?[^;]*?from\s+'(\.[^']+)'|import\('(\.[^']+)'\)/gm;
  for (const match of read(file).matchAll(pattern)) {
    const path = match[2] ?? match[3] ?? '';
    const target = relative(ROOT, resolve(join(ROOT, dirname(file)), path));
    found.push({ file, target, isType: match[1] !== undefined });
  }
  return found;
}

const roomOf = (file: string): string => file.split('/')[1] ?? '';

describe('layers', () => {
  const crossing = sources
    .flatMap(importsOf)
    .filter(
      (entry) => entry.target.startsWith('lib/') && roomOf(entry.target) !== roomOf(entry.file),
    )
    .filter((entry) => !/^lib\/[a-z-]+\.ts$/.test(entry.file));

  test('imports go downward only', () => {
    const wrong = crossing.filter((entry) => {
      const from = roomOf(entry.file);
      const to = roomOf(entry.target);
      if (LAYERS[from]?.includes(to)) return false;
      return !(entry.isType && TYPES_ONLY[from]?.includes(to));
    });
    expect(wrong.map((entry) => `${entry.file} -> ${entry.target}`)).toEqual([]);
  });

  test('every room has its rule, and base needs nobody', () => {
    const rooms = new Set(sources.map(roomOf).filter((room) => !room.endsWith('.ts')));
    expect([...rooms].filter((room) => LAYERS[room] === undefined)).toEqual([]);
  });

  test('native/core knows no Node', () => {
    const wrong = native
      .filter((file) => file.startsWith('native/core/'))
      .filter((file) => /#include\s+[<"](node|napi|uv|js_native|v8)/.test(read(file)));
    expect(wrong).toEqual([]);
  });
});

describe('sizes', () => {
  test('no file is too long', () => {
    const long = [...sources, ...native]
      .map((file) => ({ file, lines: read(file).split('\n').length - 1 }))
      .filter((entry) => entry.lines > LINES_MAX);
    const longTests = tests
      .map((file) => ({ file, lines: read(file).split('\n').length - 1 }))
      .filter((entry) => entry.lines > TEST_LINES_MAX);
    expect([...long, ...longTests]).toEqual([]);
  });

  test('no function is too long', () => {
    const long: string[] = [];
    for (const file of [...sources, ...native]) {
      const lines = read(file).split('\n');
      const starts: { readonly indent: number; readonly at: number }[] = [];
      for (const [index, line] of lines.entries()) {
        const indent = line.search(/\S/);
        if (
          /\)\s*(:\s*[^=]+)?(const|noexcept|override|\s)*\{$/.test(line) &&
          !/^\s*(if|for|while|switch|else|\})/.test(line)
        ) {
          if (!/\b(describe|class|namespace)\b/.test(line)) starts.push({ indent, at: index });
        }
        while (starts.length > 0 && /^\s*\}/.test(line) && indent <= (starts.at(-1)?.indent ?? 0)) {
          const start = starts.pop();
          if (
            start !== undefined &&
            start.indent === indent &&
            index - start.at > FUNCTION_LINES_MAX
          ) {
            long.push(`${file}:${start.at + 1} (${index - start.at} lines)`);
          }
        }
      }
    }
    expect(long).toEqual([]);
  });

  test('no line is too wide', () => {
    const wide: string[] = [];
    for (const file of [...sources, ...native]) {
      for (const [index, line] of read(file).split('\n').entries()) {
        const isLink = /https?:\/\//.test(line) || /^\s*(\/\/|\*)/.test(line);
        if (line.length > COLUMNS_MAX + (isLink ? 20 : 12)) wide.push(`${file}:${index + 1}`);
      }
    }
    expect(wide).toEqual([]);
  });
});

describe('leftovers', () => {
  const everything = [...sources, ...tests, ...native].filter(
    (file) => !file.endsWith('tidy.test.ts'),
  );

  test('no open ends, no skipped tests, no debugging', () => {
    const markers =
      /\b(TODO|FIXME|XXX|HACK)\b|\b(it|test|describe)\.(skip|todo|only)\b|\bdebugger\b/;
    expect(everything.filter((file) => markers.test(read(file)))).toEqual([]);
  });

  test('no default exports and no empty catch', () => {
    const wrong = sources.filter((file) => {
      if (file.endsWith('vite.config.ts')) return false;
      // Programs write `import WebSocket from 'ws'`: what replaces it must answer to that.
      if (file === 'lib/compat/ws/index.ts') return false;
      return (
        /^export default|\bas default\b/m.test(read(file)) ||
        /catch\s*(\([^)]*\))?\s*\{\s*\}/.test(read(file))
      );
    });
    expect(wrong).toEqual([]);
  });

  test('every source opens by saying what it owns', () => {
    expect([...sources, ...native].filter((file) => !/^(\/\/|\/\*)/.test(read(file)))).toEqual([]);
  });

  test('every source file is used', () => {
    const used = new Set([...sources, ...tests].flatMap(importsOf).map((entry) => entry.target));
    const entries =
      /^lib\/(index|client\/index|compat\/(ws|workerman|swoole)\/index|process\/index|cli\/main)\.ts$|vite\.config|-(worker|thread)\.ts$|main\.tsx$/;
    const dead = sources.filter((file) => !used.has(file) && !entries.test(file));
    expect(dead).toEqual([]);
  });
});

describe('documents', () => {
  test('docs/errors.md lists exactly the codes that exist', () => {
    const documented = [...read('docs/errors.md').matchAll(/^\| `(ERR_[A-Z_]+)`/gm)].map(
      (m) => m[1],
    );
    expect(documented.sort()).toEqual(Object.keys(ERROR_CODES).sort());
  });

  test('the lock file names no addresses', () => {
    expect(read('package-lock.json')).not.toMatch(/"resolved":/);
  });

  test('every link between documents leads somewhere', () => {
    const documents = [
      'README.md',
      'ARCHITECTURE.md',
      'CONTRIBUTING.md',
      ...filesBelow('docs', /\.md$/),
    ];
    const broken: string[] = [];
    for (const document of documents) {
      for (const match of read(document).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
        const target = match[1] ?? '';
        if (/^[a-z]+:/.test(target)) continue;
        if (!existsSync(join(ROOT, dirname(document), target)))
          broken.push(`${document}: ${target}`);
      }
    }
    expect(broken).toEqual([]);
  });
});
