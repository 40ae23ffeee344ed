// Equal addresses share a text, up to a bound.

import { expect, test } from 'vitest';
import { ADDRESS_TEXTS_MAX, AddressTexts } from '../../../lib/net/address-texts.ts';

const addressOf = (i: number): string => `10.0.${i >> 8}.${i & 255}`;

test('an address comes back equal, whether it is known or not', () => {
  const texts = new AddressTexts();
  for (let i = 0; i < 500; i++) expect(texts.intern(addressOf(i % 50))).toBe(addressOf(i % 50));
  expect(texts.size).toBe(50);
});

test('as many addresses as the bound are known; with one more all are forgotten', () => {
  const texts = new AddressTexts();
  for (let i = 0; i < ADDRESS_TEXTS_MAX; i++) texts.intern(addressOf(i));
  expect(texts.size).toBe(ADDRESS_TEXTS_MAX);
  texts.intern(addressOf(0));
  expect(texts.size).toBe(ADDRESS_TEXTS_MAX);
  expect(texts.intern('2001:db8::1')).toBe('2001:db8::1');
  expect(texts.size).toBe(1);
});
