// Forwarded lists: RFC 7239 4 and 6, and X-Forwarded-For.

import { expect, test } from 'vitest';
import {
  FORWARDED_COMMAS_MAX,
  FORWARDED_HOPS_MAX,
  readForwarded,
} from '../../../../lib/server/admission/forwarded.ts';
import { TrustedProxies } from '../../../../lib/server/admission/http-client-address.ts';

const NONE = undefined;

test.each<[string, (string | undefined)[]]>([
  ['for=192.0.2.60', ['192.0.2.60']],
  ['For=192.0.2.60;proto=http;by=203.0.113.43', ['192.0.2.60']],
  ['proto=http; for=192.0.2.60', ['192.0.2.60']],
  ['for=192.0.2.43, for=198.51.100.17', ['198.51.100.17', '192.0.2.43']],
  ['for=192.0.2.43,for=198.51.100.17', ['198.51.100.17', '192.0.2.43']],
  ['for="192.0.2.60:4711"', ['192.0.2.60']],
  ['for="[2001:db8:cafe::17]:4711"', ['2001:db8:cafe::17']],
  ['for="[2001:db8:cafe::17]"', ['2001:db8:cafe::17']],
  ['for="[2001:db8::1]:_port"', ['2001:db8::1']],
  ['for="192.0.2.\\60"', ['192.0.2.60']],
  ['for=unknown', [NONE]],
  ['for=_gazonk', [NONE]],
  ['for="_SEVKISEK:8080"', [NONE]],
  ['for="[192.0.2.1]"', [NONE]],
  ['for="2001:db8::1"', [NONE]],
  ['for=300.1.1.1', [NONE]],
  ['for=""', [NONE]],
  ['by=203.0.113.43', [NONE]],
  ['secret="a, b; c", for=192.0.2.1', ['192.0.2.1', NONE]],
  ['host="a\\"b";for=192.0.2.1', ['192.0.2.1']],
])('Forwarded: %s names %j', (value, hops) => {
  expect(readForwarded('forwarded', value)).toEqual(hops);
});

test.each([
  '',
  ' ',
  'for',
  'for=',
  'for =1.1.1.1',
  'for= 1.1.1.1',
  '=1.1.1.1',
  'for="1.1.1.1',
  'for=1.1.1.1,',
  'for=1.1.1.1;',
  'for=1.1.1.1 for=2.2.2.2',
  'for=1.1.1.1;for=2.2.2.2',
  'for=[2001:db8::1]',
  'for=1.1.1.1:80',
  'for="a\u0001b"',
])('Forwarded: %j names nobody', (value) => {
  expect(readForwarded('forwarded', value)).toEqual([]);
});

test.each([
  ',',
  '@,',
  'for,',
  'for="1.1.1.1,',
  'for="1.1.1.1\\,',
  'x="a, b="c,',
  'for=1.1.1.1,,',
  'for=1.1.1.1;for=2.2.2.2,',
  `${Array.from({ length: 200 }, () => 'x=","').join(';')},`,
  `${'for="[::1]",'.repeat(FORWARDED_HOPS_MAX)}`,
])('what a client wrote in front does not hide what its proxy added: %s', (forged) => {
  expect(readForwarded('forwarded', `${forged} for="192.0.2.7"`)[0]).toBe('192.0.2.7');
  expect(readForwarded('x-forwarded-for', `${forged} 192.0.2.7`)[0]).toBe('192.0.2.7');
});

test('as many hops as are looked at are believed', () => {
  const hop = (at: number): string => `for=10.0.0.${at}`;
  const value = Array.from({ length: FORWARDED_HOPS_MAX + 1 }, (_, at) => hop(at)).join(', ');
  const nearest = Array.from({ length: FORWARDED_HOPS_MAX }, (_, at) => `10.0.0.${16 - at}`);
  expect(readForwarded('forwarded', value)).toEqual(nearest);
  expect(readForwarded('x-forwarded-for', value.replaceAll('for=', ''))).toEqual(nearest);
});

test('a long value costs no more than its length', () => {
  const started = performance.now();
  expect(readForwarded('forwarded', `for="${'\\'.repeat(8000)}`)).toEqual([]);
  expect(readForwarded('forwarded', `${'a'.repeat(8000)}`)).toEqual([]);
  expect(readForwarded('forwarded', `for=1.1.1.1${' '.repeat(8000)}x`)).toEqual([]);
  const commas = Array.from({ length: 4000 }, () => 'x=","').join(';');
  expect(readForwarded('forwarded', `${commas}@`)).toEqual([]);
  expect(performance.now() - started).toBeLessThan(200);
});

test('a client behind trusted proxies is found in the header that is configured, only there', () => {
  const value = 'for=203.0.113.9, for="[::1]", for=10.1.1.1';
  const forwarded = new TrustedProxies(['10.0.0.0/8', '::1'], 'forwarded');
  expect(forwarded.header).toBe('forwarded');
  expect(forwarded.clientAddress('10.2.2.2', value)).toBe('203.0.113.9');
  expect(forwarded.clientAddress('10.2.2.2', 'for=unknown, for=10.1.1.1')).toBe('10.1.1.1');
  expect(forwarded.clientAddress('10.2.2.2', '203.0.113.9')).toBe('10.2.2.2');
  expect(new TrustedProxies(['10.0.0.0/8']).clientAddress('10.2.2.2', value)).toBe('10.2.2.2');
});

test('an element in which more commas are quoted than are looked at is the end', () => {
  const commas = (count: number): string => `x="${','.repeat(count)}";for=192.0.2.7`;
  const { length } = readForwarded('forwarded', `for=1.1.1.1, ${commas(FORWARDED_COMMAS_MAX - 2)}`);
  expect(length).toBe(2);
  expect(readForwarded('forwarded', commas(FORWARDED_COMMAS_MAX))).toEqual([]);
});
