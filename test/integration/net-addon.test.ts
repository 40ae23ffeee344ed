// The boundary itself: both sides agree on the layout, wrong calls throw and never crash, bytes are
// unmasked and signatures verified as the standards say.

import { createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { isSluiceError } from '../../lib/base/errors.ts';
import {
  HmacKey,
  hmacSha256Verify,
  scanFramesNative,
  unmaskNative,
} from '../../lib/native/bytes.ts';
import { ERROR_NAMES, errorName } from '../../lib/native/error-names.ts';
import { LAYOUT } from '../../lib/native/layout.ts';
import { loadFrom, loadNative } from '../../lib/native/load.ts';
import { seededRandom } from '../support/chunkings.ts';
import { NetHarness } from '../support/net-harness.ts';
import { referenceFrames } from '../support/reference-frames.ts';
import { clientFrame } from '../support/websocket-frames.ts';

describe('layout', () => {
  test('is the same on both sides', () => {
    expect(LAYOUT).toEqual(loadNative().layout);
  });

  test('error names are the same on both sides', () => {
    expect(ERROR_NAMES).toEqual(loadNative().errorNames);
    expect([errorName(-104), errorName(-9999)]).toEqual(['ECONNRESET', 'errno 9999']);
  });
});

describe('loading', () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-load-'));
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  test.each([undefined, '/nowhere/sluice.node'])('explains what is missing (%s)', (file) => {
    let error: unknown;
    try {
      loadFrom(file, directory);
    } catch (caught) {
      error = caught;
    }
    expect(isSluiceError(error, 'ERR_NATIVE_MISSING')).toBe(true);
    expect((error as Error).message).toContain(file ?? directory);
  });
});

describe('wrong calls', () => {
  const binding = loadNative();
  const prototype = binding.NativeLoop.prototype as unknown as Record<
    string,
    (...args: unknown[]) => unknown
  >;
  const methods = [
    'listen',
    'listenPath',
    'listenDescriptor',
    'tuneListener',
    'listenerName',
    'listenerPort',
    'closeListener',
    'adopt',
    'connectionInfo',
    'secureListener',
    'secureInfo',
    'secureCounts',
    'flush',
    'openCount',
    'close',
  ];
  const strangers = [{}, Object.create(binding.NativeLoop.prototype), new HmacKey('x')];

  test.each(methods)('%s on a foreign object is an illegal invocation', (method) => {
    for (const stranger of strangers) {
      expect(() => prototype[method]?.call(stranger)).toThrow(/^Illegal invocation/);
    }
  });

  const unmask = binding.unmask as (...args: unknown[]) => unknown;
  const bytes = new Uint8Array(4);
  const calls: { name: string; call: () => unknown; code: string }[] = [
    { name: 'unmask()', call: () => unmask(), code: 'ERR_ARG_TYPE' },
    { name: 'unmask(string)', call: () => unmask('x', 0, 1, 0), code: 'ERR_ARG_TYPE' },
    {
      name: 'unmask(Int32Array)',
      call: () => unmask(new Int32Array(1), 0, 1, 0),
      code: 'ERR_ARG_TYPE',
    },
    {
      name: 'unmask with a text as start',
      call: () => unmask(bytes, 'a', 1, 0),
      code: 'ERR_ARG_TYPE',
    },
    { name: 'unmask beyond the end', call: () => unmask(bytes, 0, 5, 0), code: 'ERR_ARG_RANGE' },
    { name: 'unmask backwards', call: () => unmask(bytes, 3, 2, 0), code: 'ERR_ARG_RANGE' },
    { name: 'unmask from below zero', call: () => unmask(bytes, -1, 2, 0), code: 'ERR_ARG_RANGE' },
    {
      name: 'readCached beyond the end',
      call: () => binding.readCached(bytes, 0, 5, 0, 0, 0),
      code: 'ERR_ARG_RANGE',
    },
    {
      name: 'readCached without a position',
      call: () => (binding.readCached as (...args: unknown[]) => unknown)(bytes, 0, 1, 0),
      code: 'ERR_ARG_TYPE',
    },
    {
      name: 'new NativeLoop()',
      call: () => Reflect.construct(binding.NativeLoop, []),
      code: 'ERR_ARG_TYPE',
    },
    {
      name: 'new NativeLoop(small arrays)',
      call: () => {
        const words = new Int32Array(1);
        return Reflect.construct(binding.NativeLoop, [
          bytes,
          bytes,
          words,
          words,
          words,
          words,
          words,
          {},
        ]);
      },
      code: 'ERR_ARG_RANGE',
    },
    {
      name: 'new HmacKey(number)',
      call: () => Reflect.construct(binding.HmacKey, [1]),
      code: 'ERR_ARG_TYPE',
    },
  ];
  test.each(calls)('$name throws $code', ({ call, code }) => {
    expect(call).toThrow(expect.objectContaining({ code }));
  });
});

describe('unmaskNative', () => {
  const lengths = [0, 1, 3, 4, 7, 8, 9, 31, 32, 33, 63, 64, 65, 1_000, 65_537];

  test.each(lengths)('undoes the mask of %i bytes at any offset', (length) => {
    for (const offset of [0, 1, 5]) {
      const plain = randomBytes(length);
      const mask = randomBytes(4);
      const masked = Buffer.alloc(offset + length + 3, 0xee);
      for (let i = 0; i < length; i++) masked[offset + i] = (plain[i] ?? 0) ^ (mask[i % 4] ?? 0);
      const ascii = unmaskNative(masked, offset, offset + length, mask.readInt32LE());
      expect(masked.subarray(offset, offset + length).equals(plain)).toBe(true);
      expect(ascii).toBe(plain.every((byte) => byte < 0x80));
      expect(masked.subarray(offset + length)).toEqual(Buffer.alloc(3, 0xee));
    }
  });

  test('one byte above ASCII anywhere is seen', () => {
    for (let at = 0; at < 75; at++) {
      const bytes = Buffer.alloc(75, 'a');
      expect(unmaskNative(bytes, 0, 75, 0)).toBe(true);
      bytes[at] = 0x80;
      expect(unmaskNative(bytes, 0, 75, 0)).toBe(false);
    }
  });
});

describe('scanFramesNative', () => {
  test('does what the book says, however the chunk is cut and whatever is wrong in it', () => {
    const random = seededRandom(5);
    const payloads = [0, 1, 3, 4, 7, 8, 31, 32, 33, 125, 126, 127, 300, 65_535];
    for (let round = 0; round < 300; round++) {
      const frames = Array.from({ length: 1 + Math.floor(random() * 4) }, () => {
        const payload = randomBytes(payloads[Math.floor(random() * payloads.length)] ?? 0);
        const bits = random() < 0.5 ? 0x7f : 0xff;
        return clientFrame({
          opcode: [1, 2, 0, 8, 9][Math.floor(random() ** 3 * 5)] ?? 1,
          payload: payload.map((byte) => byte & bits),
          fin: random() < 0.9,
          ...(random() < 0.1 ? { lengthForm: random() < 0.5 ? 16 : 64 } : {}),
          ...(random() < 0.05 ? { mask: false as const } : {}),
        });
      });
      const chunk = Buffer.concat([Buffer.alloc(3, 0xee), ...frames, Buffer.alloc(5, 0x81)]);
      const end = random() < 0.5 ? chunk.length - 5 : 3 + Math.floor(random() * (chunk.length - 3));
      const expected = Buffer.from(chunk);
      const scanned = referenceFrames.scanFrames(expected, 3, end);
      expect(scanFramesNative(chunk, 3, end)).toBe(scanned);
      expect(chunk.equals(expected)).toBe(true);
    }
  });

  test('refuses a range outside of the bytes', () => {
    expect(() => scanFramesNative(Buffer.alloc(4), 0, 5)).toThrow(
      expect.objectContaining({ code: 'ERR_ARG_RANGE' }),
    );
  });
});

describe('HmacKey', () => {
  test('agrees with OpenSSL for every length around the blocks', () => {
    const secret = randomBytes(32);
    const key = new HmacKey(secret);
    for (const length of [0, 1, 54, 55, 56, 63, 64, 65, 119, 120, 128, 1_000, 100_000]) {
      const body = randomBytes(length + 2);
      const expected = createHmac('sha256', secret)
        .update(body.subarray(1, length + 1))
        .digest('hex');
      expect(hmacSha256Verify(key, body, 1, length + 1, expected)).toBe(true);
      expect(key.verify(body, 1, length + 1, expected.toUpperCase())).toBe(true);
      expect(key.verify(body, 0, length + 1, expected)).toBe(false);
    }
  });

  test.each([0, 1, 63, 64, 65, 200])('takes a secret of %i bytes', (length) => {
    const secret = 's'.repeat(length);
    const body = Buffer.from('{"object":"page"}');
    const expected = createHmac('sha256', secret).update(body).digest('hex');
    expect(new HmacKey(secret).verify(body, 0, body.length, expected)).toBe(true);
    expect(new HmacKey(`${secret}x`).verify(body, 0, body.length, expected)).toBe(false);
  });

  test('refuses every wrong digit, wrong lengths and other characters', () => {
    const key = new HmacKey('secret');
    const body = Buffer.from('body');
    const right = createHmac('sha256', 'secret').update(body).digest('hex');
    const wrong = [
      '',
      right.slice(1),
      `${right}0`,
      `${right.slice(0, 63)}g`,
      `${right.slice(0, 63)}中`,
    ];
    for (let i = 0; i < 64; i++) {
      wrong.push(right.slice(0, i) + (right[i] === '0' ? '1' : '0') + right.slice(i + 1));
    }
    for (const text of wrong) expect(key.verify(body, 0, 4, text)).toBe(false);
    expect(key.verify(body, 0, 4, right)).toBe(true);
  });
});

describe('slabs', () => {
  test('borrowed bytes are overwritten after the batch', async () => {
    let kept: Buffer | undefined;
    const harness = new NetHarness({
      onData(_connection, slab, from, to) {
        kept = slab.subarray(from, to);
      },
    });
    (await harness.client()).socket.write('secret');
    await harness.untilLogged('data 6');
    await new Promise((resolve) => setImmediate(resolve));
    expect(kept).toEqual(Buffer.alloc(6, 0xdd));
    await harness.stop();
  });

  test('cannot be transferred to another thread', async () => {
    const harness = new NetHarness();
    const { sendSlab } = harness.loop;
    const { port1, port2 } = new MessageChannel();
    try {
      // Node 20 copies such a buffer, later versions throw; neither may detach it.
      port1.postMessage(null, [sendSlab.buffer as ArrayBuffer]);
    } catch (error) {
      expect((error as Error).name).toBe('DataCloneError');
    }
    port1.close();
    port2.close();
    expect(sendSlab.length).toBeGreaterThan(0);
    await harness.stop();
  });
});
