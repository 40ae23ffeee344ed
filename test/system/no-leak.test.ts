// Connects, upgrades, messages and closes, in four ways each: memory stays level, no descriptor and no
// native object is left. SLUICE_TEST_VISITS sets their number; the slope is asserted where there are
// enough of them for V8 to have settled.

import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { Endurance, MEBIBYTE } from '../support/endurance.ts';

const VISITS = Number(process.env['SLUICE_TEST_VISITS'] ?? 30_000);
const VISITS_FOR_SLOPE = 500_000;
const FLIGHT = 64;
const WINDOWS = 3;
const SAMPLES_PER_WINDOW = 10;
const SLOPE_MAX = 0.01;
/** In the short form: what V8 may still take between warm-up and end. */
const GROWTH_BYTES_MAX = 16 * MEBIBYTE;

let endurance: Endurance | undefined;
afterEach(() => endurance?.stop());

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;

test(`${VISITS} visits leave nothing behind`, async () => {
  endurance = await Endurance.start({ options: { backlog: 4096 } });
  const crowd = endurance.crowd();
  const descriptors = (): number => readdirSync(`/proc/${endurance?.server.process.pid}/fd`).length;
  const idle = { ...(await endurance.measure()), descriptors: descriptors() };
  const visit = async (count: number): Promise<void> => {
    expect(await crowd.ask(`churn ${count} ${FLIGHT}`)).toEqual({ done: count, failed: 0 });
  };

  // A quarter warms up: the young generation grows to its size, and code is compiled.
  const perSample = Math.floor((VISITS * 3) / 4 / (WINDOWS * SAMPLES_PER_WINDOW));
  await visit(VISITS - perSample * WINDOWS * SAMPLES_PER_WINDOW);
  const windows: number[] = [];
  for (let window = 0; window < WINDOWS; window++) {
    const samples: number[] = [];
    for (let i = 0; i < SAMPLES_PER_WINDOW; i++) {
      await visit(perSample);
      samples.push((await endurance.measure()).rss);
    }
    windows.push(median(samples));
  }
  const [first = 0, , last = 0] = windows;
  const mebibytes = windows.map((bytes) => (bytes / MEBIBYTE).toFixed(1)).join(', ');
  console.log(
    `RSS of three windows: ${mebibytes} MiB, slope ${((last / first - 1) * 100).toFixed(2)} %`,
  );
  if (VISITS >= VISITS_FOR_SLOPE) expect(last / first - 1).toBeLessThanOrEqual(SLOPE_MAX);
  else expect(last - first).toBeLessThan(GROWTH_BYTES_MAX);

  const quiet = await endurance.measure();
  expect(quiet.connections).toBe(0);
  expect(quiet.live['connections']).toBe(0);
  expect(quiet.live['blocks']).toBe(0);
  expect(descriptors()).toBe(idle.descriptors);
  const { live } = await endurance.server.ask<{ live: Record<string, number> }>('close');
  expect(Object.entries(live).filter(([, count]) => count !== 0)).toEqual([]);
});

test('the limit of descriptors of this process is what the figures assume', () => {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  expect(Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1])).toBeGreaterThanOrEqual(16_384);
});
