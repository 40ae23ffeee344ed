// The second addon: it is loaded only where its symbols are there, its list of symbols is what the
// binary wants, every failure is explained, and building goes on where its headers are missing.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { isSluiceError } from '../../lib/base/errors.ts';
import { addonPlaces, PACKAGE_ROOT, requireAddon } from '../../lib/native/addon-file.ts';
import { CODEC_SYMBOLS } from '../../lib/native/codec-symbols.ts';
import { loadNative } from '../../lib/native/load.ts';
import { loadCodec, loadCodecFrom } from '../../lib/native/load-codec.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-codec-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function failureOf(action: () => unknown): Error {
  try {
    action();
  } catch (error) {
    if (isSluiceError(error, 'ERR_CODEC_MISSING')) return error;
    throw error;
  }
  throw new Error('it was loaded');
}

describe('symbols', () => {
  test('the list is exactly what the binary wants beyond libc and Node-API', () => {
    const [file = ''] = addonPlaces('sluice_codec', PACKAGE_ROOT);
    const { stdout } = spawnSync('nm', ['--dynamic', '--undefined-only', file], {
      encoding: 'utf8',
    });
    const wanted = [...stdout.matchAll(/^\s+U (\w+)(@\S+)?$/gm)]
      .filter((match) => match[2] === undefined)
      .map((match) => match[1] ?? '')
      .filter((name) => !name.startsWith('napi_'));
    expect([...CODEC_SYMBOLS].sort()).toEqual(wanted.sort());
  });

  test('missingSymbols names what is not there, in order', () => {
    const { missingSymbols } = loadNative();
    expect(missingSymbols([...CODEC_SYMBOLS])).toEqual([]);
    expect(missingSymbols(['sluice_a', 'inflate', 'sluice_b'])).toEqual(['sluice_a', 'sluice_b']);
    expect(missingSymbols([])).toEqual([]);
  });

  test.each([[undefined], ['inflate'], [[1]], [{ length: 2 }]])(
    '%j is no list of names',
    (names) => {
      const call = loadNative().missingSymbols as (names: unknown) => unknown;
      expect(() => call(names)).toThrow(expect.objectContaining({ code: 'ERR_ARG_TYPE' }));
    },
  );
});

describe('loading', () => {
  test('says which zlib it stands on', () => {
    expect(loadCodec().zlibVersion).toMatch(/^1\.\d+\.\d+/);
    expect(loadCodec()).toBe(loadCodec());
  });

  test('a runtime without the symbols gets an error that names them, and nothing is loaded', () => {
    const native = { missingSymbols: () => ['a', 'b', 'c', 'd', 'e', 'f', 'g'] };
    const file = '/nowhere/sluice_codec.node';
    const { message } = failureOf(() => loadCodecFrom(file, directory, native));
    expect(message).toContain('does not export a, b, c, d, e and 2 more.');
  });

  test.each([undefined, '/nowhere/sluice_codec.node'])('a missing file is named (%s)', (file) => {
    const { message } = failureOf(() => loadCodecFrom(file, directory));
    expect(message).toContain(file ?? directory);
    expect(message).toContain('zlib.h');
  });
});

describe('places', () => {
  test('each addon is found by its name, though both lie in one folder', () => {
    const codec = requireAddon(undefined, 'sluice_codec', PACKAGE_ROOT);
    const main = requireAddon(undefined, 'sluice', PACKAGE_ROOT);
    expect(codec).toHaveProperty('zlibVersion');
    expect(main).toHaveProperty('NativeLoop');
  });

  test('what does not load is passed over for the next place', () => {
    const [built = '', prebuilt = '', musl = ''] = addonPlaces('x', directory);
    expect([built, prebuilt, musl]).toEqual([
      join(directory, 'build/Release/x.node'),
      join(directory, `prebuilds/linux-${process.arch}/x.node`),
      join(directory, `prebuilds/linux-${process.arch}-musl/x.node`),
    ]);
    for (const place of [built, prebuilt]) {
      mkdirSync(join(place, '..'), { recursive: true });
      writeFileSync(place, 'not a binary');
    }
    expect(() => requireAddon(undefined, 'x', directory)).toThrow(prebuilt);
    mkdirSync(join(musl, '..'), { recursive: true });
    writeFileSync(`${musl}`, '');
    expect(() => requireAddon(undefined, 'x', directory)).toThrow(musl);
  });
});

describe('building', () => {
  const headers = join(PACKAGE_ROOT, 'native/codec-headers.cjs');

  test('goes on without the headers, and says what would bring them', () => {
    const { missingHeaders } = createRequire(import.meta.url)(headers) as {
      missingHeaders: (root: string, system?: string) => string[];
    };
    expect(missingHeaders(directory, directory)).toEqual(['zlib1g-dev', 'libssl-dev']);
    mkdirSync(join(directory, 'include/node/openssl'), { recursive: true });
    writeFileSync(join(directory, 'include/node/openssl/ssl.h'), '');
    expect(missingHeaders(directory, directory)).toEqual(['zlib1g-dev']);
    mkdirSync(join(directory, 'deps/zlib'), { recursive: true });
    writeFileSync(join(directory, 'deps/zlib/zlib.h'), '');
    expect(missingHeaders(directory, directory)).toEqual([]);
  });

  test('the question that binding.gyp asks is answered by one digit', () => {
    const { stdout } = spawnSync(process.execPath, [headers, directory], { encoding: 'utf8' });
    expect(stdout).toMatch(/^[01]$/);
  });
});
