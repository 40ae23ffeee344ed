// A steady load for minutes: webhooks, agents that come and go, answers. After a warm-up the memory of the
// gateway must not grow, and no descriptor may be left. SLUICE_TEST_MINUTES sets the length (default 5).

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
/** Of the mean of a window over that of the one before, after warm-up. */
const GROWTH_MAX = 0.05;

const disposals: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const dispose of disposals.reverse()) await dispose();
});

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

test(`memory is flat over ${MINUTES} minutes`, { timeout: MINUTES * 60_000 + 60_000 }, async () => {
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
  const warm = samples.slice(Math.floor(samples.length / 4));
  const third = Math.floor(warm.length / 3);
  const windows = [0, 1, 2].map((index) => mean(warm.slice(index * third, (index + 1) * third)));
  console.log(
    `RSS by window: ${windows.map((value) => (value / 2 ** 20).toFixed(1)).join(', ')} MiB`,
  );
  console.log(
    `descriptors: ${readdirSync(`/proc/${gateway.pid}/fd`).length}, failures: ${failures}`,
  );
  expect((windows[2] ?? 0) / (windows[1] ?? 1)).toBeLessThan(1 + GROWTH_MAX);
  expect(readdirSync(`/proc/${gateway.pid}/fd`).length).toBeLessThan(100);
});
