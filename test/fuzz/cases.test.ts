import { expect, test } from 'vitest';
import { FUZZ_CASES, FUZZ_CASES_MIN, fuzzCases } from './cases.ts';

test('a run of all fuzz tests is at least as long as promised', () => {
  const sum = Object.values(FUZZ_CASES).reduce((total, cases) => total + cases, 0);
  expect(sum).toBeGreaterThanOrEqual(FUZZ_CASES_MIN);
  const shortened = process.env['SLUICE_FUZZ_CASES'];
  expect(fuzzCases('http')).toBe(shortened === undefined ? FUZZ_CASES.http : Number(shortened));
});
