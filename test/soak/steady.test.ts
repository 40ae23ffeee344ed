// A steady load for minutes: webhooks, agents that come and go, answers. After a warm-up the memory of the
// gateway must not grow, and no descriptor may be left. SLUICE_TEST_MINUTES sets the length (default 5; with
// less than 3 V8 may not have collected its old generation yet, and the test says nothing).

import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { connect } from '../../lib/client/index.ts';
import type { WebSocketConstructor } from '../../lib/client/socket.ts';
import { createSimulator } from '../../lib/simulator/simulator.ts';
import { freePort, GatewayProcess, PAGE, SECRETS, textBody } from '../support/gateway-process.ts';

const MINUTES = Number(process.env['SLUICE_TEST_MINUTES'] ?? 5);
const WEBHOOKS_PER_SECOND = 200;
const CUSTOMERS = 200;
/** Fills what is kept in memory up to a bound: newest rows, unread marks, SQLite's pages. */
const WARM_UP_POSTS = 60_000;
const WARM_UP_LANES = 64;
const disposals: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const dispose of disposals.reverse()) await dispose();
});

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
}

async function warmUp(gateway: GatewayProcess): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < WARM_UP_POSTS) {
      const index = next++;
      const user = String(7_000_000_000_000_000 + (index % CUSTOMERS));
      const status = await gateway.post(textBody(`m_warm-${index}`, user, `text ${index}`));
      expect(status).toBe(200);
    }
  };
  await Promise.all(Array.from({ length: WARM_UP_LANES }, lane));
}

test(`memory is flat over ${MINUTES} minutes`, {
  timeout: MINUTES * 60_000 + 180_000,
}, async () => {
  const graphPort = await freePort();
  const gateway = await GatewayProcess.create({ graphUrl: `http://127.0.0.1:${graphPort}` });
  disposals.push(() => gateway.dispose());
  const simulator = createSimulator({
    port: graphPort,
    gatewayUrl: gateway.url,
    verifyToken: SECRETS.verifyToken,
    appId: '1122334455667788',
    appSecret: SECRETS.appSecret,
    pages: [{ id: PAGE, name: 'Page', accessToken: SECRETS.accessToken }],
    order: 'conversation',
  });
  await simulator.start();
  disposals.push(() => simulator.stop());
  await gateway.start();
  const token = gateway.token('ann');
  const join = () =>
    connect({
      url: gateway.agentUrl,
      token: () => token,
      webSocket: WebSocket as unknown as WebSocketConstructor,
      storage: null,
      sessionUrl: null,
    });
  let desk = join();
  disposals.push(async () => desk.close());
  await warmUp(gateway);
  const started = Date.now();
  const samples: number[] = [];
  let count = 0;
  let failures = 0;
  let nextSample = started + 1000;
  while (Date.now() - started < MINUTES * 60_000) {
    const due = Math.floor(((Date.now() - started) * WEBHOOKS_PER_SECOND) / 1000);
    const posts: Promise<number>[] = [];
    for (; count < due; count++) {
      const user = String(7_000_000_000_000_000 + (count % CUSTOMERS));
      posts.push(gateway.post(textBody(`m_steady-${started}-${count}`, user, `text ${count}`)));
    }
    failures += (await Promise.all(posts)).filter((status) => status !== 200).length;
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (Date.now() < nextSample) continue;
    nextSample += 1000;
    samples.push(residentBytes(gateway.pid));
    const user = 7_000_000_000_000_000 + (samples.length % CUSTOMERS);
    void desk
      .send(`messenger/${PAGE}/${user}`, { text: 'answer' }, { id: randomUUID() })
      .catch(() => {
        failures += 1;
      });
    if (samples.length % 10 === 0) {
      desk.close();
      desk = join();
    }
  }
  // The heap breathes between collections. A leak shows when the least of the end is above the most of
  // the beginning.
  const third = Math.floor(samples.length / 3);
  const most = Math.max(...samples.slice(0, third));
  const least = Math.min(...samples.slice(-third));
  const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
  console.log(
    `RSS: at most ${mebibytes(most)} MiB at first, at least ${mebibytes(least)} at the end`,
  );
  console.log(
    `descriptors: ${readdirSync(`/proc/${gateway.pid}/fd`).length}, failures: ${failures}`,
  );
  expect(least).toBeLessThanOrEqual(most);
  expect(readdirSync(`/proc/${gateway.pid}/fd`).length).toBeLessThan(100);
});
