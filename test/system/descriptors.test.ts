// A server that has run out of descriptors: it does not spin, those who are connected are served, and
// those who wait are taken as soon as somebody leaves.

import { afterEach, expect, test } from 'vitest';
import { Endurance } from '../support/endurance.ts';
import { HttpClient } from '../support/http-client.ts';
import { until } from '../support/until.ts';

/** Enough to load the modules, which are read side by side. */
const DESCRIPTORS = 256;
const KNOCKS = 400;
const WATCH_MS = 1000;
/** One look at the listener each 100 ms; a loop that spins takes all of it. */
const CPU_MS_MAX = 250;

let endurance: Endurance | undefined;
const clients: HttpClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  endurance?.stop();
});

const answered = (client: HttpClient): boolean => client.statuses.length > 0;

test('without descriptors a server rests, serves whom it has, and goes on', async () => {
  endurance = await Endurance.start({ descriptors: DESCRIPTORS });
  const { port } = endurance;
  for (let i = 0; i < KNOCKS; i++) {
    const client = new HttpClient(port);
    client.send('GET /plain HTTP/1.1\r\nHost: a\r\n\r\n');
    clients.push(client);
  }
  await until('the first answer', () => clients.some(answered));
  const before = await endurance.usage();
  await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
  const after = await endurance.usage();
  const served = clients.filter(answered);
  expect(served.length).toBeGreaterThan(10);
  expect(served.length).toBeLessThan(DESCRIPTORS);
  expect(after.connections).toBe(served.length);
  expect(after.cpuMs - before.cpuMs).toBeLessThan(CPU_MS_MAX);

  for (const client of served) client.send('GET /plain HTTP/1.1\r\nHost: a\r\n\r\n');
  await until('second answers', () => served.every((client) => client.statuses.length === 2));

  const waiting = clients.filter((client) => !answered(client));
  for (const client of served) client.destroy();
  const next = waiting.slice(0, served.length);
  await until('those who waited', () => next.filter(answered).length >= 10);
  for (const client of waiting) if (answered(client)) client.destroy();
  await until('the queue to move', () => waiting.filter(answered).length > next.length / 2);
});
