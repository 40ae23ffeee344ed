// One address, one key, however it is written; and sets of blocks.

import { BlockList, isIP } from 'node:net';
import { describe, expect, test } from 'vitest';
import {
  AddressSet,
  ipKey,
  isIpv4Key,
  isLoopbackKey,
  parseBlock,
  prefixOfKey,
} from '../../../lib/base/ip-address.ts';

const MAPPED = '00000000000000000000ffff';

test.each([
  ['192.0.2.1', `${MAPPED}c0000201`],
  ['255.255.255.255', `${MAPPED}ffffffff`],
  ['::ffff:192.0.2.1', `${MAPPED}c0000201`],
  ['::FFFF:c000:201', `${MAPPED}c0000201`],
  ['::', '0'.repeat(32)],
  ['::1', `${'0'.repeat(31)}1`],
  ['1::', `0001${'0'.repeat(28)}`],
  ['2001:db8::9', `20010db8${'0'.repeat(23)}9`],
  ['2001:0DB8:0:0:0:0:0:9', `20010db8${'0'.repeat(23)}9`],
  ['fe80::1%eth0', `fe80${'0'.repeat(27)}1`],
  ['1:2:3:4:5:6:7::', '00010002000300040005000600070000'],
  ['64:ff9b::192.0.2.1', `0064ff9b${'0'.repeat(16)}c0000201`],
])('the key of %s is %s', (text, key) => {
  expect(ipKey(text)).toBe(key);
});

test.each(['', 'x', '1.2.3', '1.2.3.4.5', '01.2.3.4', '256.1.1.1', ':::', '1::2::3', 'localhost'])(
  '%j has no key',
  (text) => {
    expect(ipKey(text)).toBeUndefined();
  },
);

test('keys tell IPv4 and loopback', () => {
  const key = (text: string): string => ipKey(text) ?? '';
  expect(isIpv4Key(key('10.0.0.1'))).toBe(true);
  expect(isIpv4Key(key('::10.0.0.1'))).toBe(false);
  expect(isLoopbackKey(key('127.255.0.1'))).toBe(true);
  expect(isLoopbackKey(key('::ffff:127.0.0.1'))).toBe(true);
  expect(isLoopbackKey(key('::1'))).toBe(true);
  expect(isLoopbackKey(key('126.255.0.1'))).toBe(false);
  expect(isLoopbackKey(key('::2'))).toBe(false);
});

test('a prefix may end inside a digit', () => {
  expect(prefixOfKey('f'.repeat(32), 0)).toBe('');
  expect(prefixOfKey('f'.repeat(32), 5)).toBe('f8');
  expect(prefixOfKey('f'.repeat(32), 6)).toBe('fc');
  expect(prefixOfKey('f'.repeat(32), 7)).toBe('fe');
  expect(prefixOfKey('f'.repeat(32), 128)).toBe('f'.repeat(32));
});

describe('sets', () => {
  test('have what lies in a block, in either family', () => {
    const set = new AddressSet(['10.0.0.0/8', '192.0.2.1', '2001:db8::/33', '::1']);
    const inside = ['10.255.1.2', '::ffff:10.1.1.1', '192.0.2.1', '2001:db8:7fff::1', '::1'];
    const outside = ['11.0.0.0', '192.0.2.2', '2001:db8:8000::1', '::2', '', 'nonsense'];
    expect(inside.filter((address) => !set.has(address))).toEqual([]);
    expect(outside.filter((address) => set.has(address))).toEqual([]);
  });

  test('of nothing have nothing', () => {
    expect(new AddressSet([]).has('10.0.0.1')).toBe(false);
    expect(new AddressSet([]).isEmpty).toBe(true);
  });

  test('0.0.0.0/0 is all of IPv4, ::/0 is everybody', () => {
    expect(new AddressSet(['0.0.0.0/0']).has('203.0.113.1')).toBe(true);
    expect(new AddressSet(['0.0.0.0/0']).has('2001:db8::1')).toBe(false);
    expect(new AddressSet(['::/0']).has('2001:db8::1')).toBe(true);
  });

  test.each(['x', '10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/8/9', '::1%lo'])(
    '%j is no block',
    (block) => {
      expect(() => new AddressSet([block])).toThrow(
        expect.objectContaining({ code: 'ERR_ARG_RANGE' }),
      );
    },
  );

  test('are encoded as bits and IPv6 address', () => {
    expect(new AddressSet(['10.0.0.0/8', '::1/127']).encode().toString('hex')).toBe(
      `68${MAPPED}0a0000007f${'0'.repeat(31)}1`,
    );
  });

  test('agree with node:net on random addresses and blocks', () => {
    const seed = Date.now() % 1_000_000;
    console.log(`seed ${seed}`);
    let state = seed;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % below;
    };
    const address = (): string =>
      random(2) === 0
        ? `10.${random(4)}.${random(256)}.${random(256)}`
        : `2001:db8:${random(4).toString(16)}::${random(65_536).toString(16)}`;
    for (let round = 0; round < 50; round++) {
      const list = new BlockList();
      const blocks = Array.from({ length: 5 }, () => {
        const base = address();
        const family = isIP(base) === 4 ? 'ipv4' : 'ipv6';
        const bits = random(family === 'ipv4' ? 33 : 129);
        list.addSubnet(base, bits, family);
        return `${base}/${bits}`;
      });
      const set = new AddressSet(blocks);
      for (let i = 0; i < 100; i++) {
        const one = address();
        const family = isIP(one) === 4 ? 'ipv4' : 'ipv6';
        expect(set.has(one), `${one} in ${blocks.join(' ')}`).toBe(list.check(one, family));
      }
    }
  });

  test('a look-up does not grow with the number of blocks', () => {
    const blocks = Array.from({ length: 50_000 }, (_, i) => `10.${(i >> 8) & 255}.${i & 255}.0/24`);
    const set = new AddressSet(blocks);
    expect(set.has('10.1.2.3')).toBe(true);
    expect(parseBlock('10.1.2.0/24')).toEqual({ key: `${MAPPED}0a010200`, bits: 120 });
    const started = performance.now();
    for (let i = 0; i < 10_000; i++) set.has('192.0.2.1');
    // A list that is walked would take 50,000 comparisons each: minutes.
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
