// What `status` and `connections` are made of: rates, rows and tables.

import { describe, expect, test } from 'vitest';
import { listConnections, merged } from '../../../lib/process/connection-list.ts';
import { CONNECTIONS_BYTES_MAX, CONNECTIONS_MAX } from '../../../lib/process/limits.ts';
import { LoadMeter, NO_LOAD } from '../../../lib/process/load-meter.ts';
import { LoadRates, RATE_WINDOW_MS } from '../../../lib/process/load-rates.ts';
import {
  ageText,
  bytesText,
  connectionsTable,
  statusTable,
  table,
} from '../../../lib/process/status-table.ts';
import type { ServedSocket } from '../../../lib/process/types.ts';

describe('rates', () => {
  test('are 0 before there are two readings', () => {
    const rates = new LoadRates();
    expect([rates.perSecond, rates.cpuPercent]).toEqual([0, 0]);
    rates.note({ ...NO_LOAD, requests: 100 }, 5);
    expect([rates.perSecond, rates.cpuPercent]).toEqual([0, 0]);
  });

  test('are over the last windows, not over a life', () => {
    const rates = new LoadRates();
    rates.note({ ...NO_LOAD, requests: 0, cpuMs: 0 }, 0);
    rates.note({ ...NO_LOAD, requests: 1000, cpuMs: 500 }, 1000);
    expect(rates.perSecond).toBe(1000);
    expect(rates.cpuPercent).toBe(50);
    for (let at = RATE_WINDOW_MS; at <= 5 * RATE_WINDOW_MS; at += 1000) {
      rates.note({ ...NO_LOAD, requests: 1000, cpuMs: 500 }, at);
    }
    expect([rates.perSecond, rates.cpuPercent]).toEqual([0, 0]);
  });

  test('never go below 0', () => {
    const rates = new LoadRates();
    rates.note({ ...NO_LOAD, requests: 10 }, 0);
    rates.note({ ...NO_LOAD, requests: 0 }, 1000);
    expect(rates.perSecond).toBe(0);
  });

  test('a reading sums up what servers tell', () => {
    const meter = new LoadMeter();
    const stats = (queued: number) => () => ({
      connections: { open: 2 },
      requests: { total: 3 },
      messages: { received: 4 },
      bytes: { queued },
    });
    const load = meter.read([{ stats: stats(5) }, { stats: stats(7) }]);
    expect(load).toMatchObject({ connections: 4, requests: 14, queueBytes: 12 });
    expect(load.memoryBytes).toBeGreaterThan(1e6);
    expect(load.cpuMs).toBeGreaterThan(0);
    meter.stop();
  });
});

function socket(n: number, text = ''): ServedSocket {
  const info = {
    transport: 'tcp' as const,
    remoteAddress: `10.0.0.${n % 5}`,
    remotePort: n,
    localAddress: '',
    localPort: 0,
    rttUs: 10 * n,
    protocol: '',
    extensions: '',
    bytesReceived: n,
    bytesSent: n,
    messagesReceived: 0,
    messagesSent: n,
    queueBytes: 0,
    openedAt: Date.now(),
    topicCount: 0,
    isPaused: false,
    tls: undefined,
  };
  return { close: () => undefined, info: () => info, data: { agent: `agent-${n % 3}`, text } };
}

const describeSocket = (of: ServedSocket) => of.data as { agent: string; text: string };
const server = (...sockets: ServedSocket[]) => ({ sockets });

describe('connections', () => {
  const sockets = Array.from({ length: 30 }, (_, n) => socket(n));

  test('the greatest first, so many of them', () => {
    const query = { top: 'bytes', limit: 3, where: {} };
    const rows = listConnections([server(...sockets)], query, describeSocket);
    expect(rows.map((row) => row['bytes'])).toEqual([58, 56, 54]);
  });

  test('only those that have the values', () => {
    const query = { limit: 50, where: { agent: 'agent-1', ip: '10.0.0.2' } };
    const rows = listConnections([server(...sockets)], query, describeSocket);
    expect(rows.map((row) => row['port'])).toEqual([7, 22]);
    const none = { limit: 50, where: { nothing: 'x' } };
    expect(listConnections([server(...sockets)], none, describeSocket)).toEqual([]);
  });

  test('no more than fit into a record', () => {
    const wide = Array.from({ length: 500 }, (_, n) => socket(n, 'x'.repeat(1000)));
    const query = { limit: CONNECTIONS_MAX, where: {} };
    const rows = listConnections([server(...wide)], query, describeSocket);
    expect(rows.length).toBeGreaterThan(40);
    expect(Buffer.byteLength(JSON.stringify(rows))).toBeLessThan(CONNECTIONS_BYTES_MAX + 2);
  });

  test('of several processes together', () => {
    const lists = [[{ bytes: 5 }, { bytes: 1 }], [{ bytes: 3 }], []];
    const query = { top: 'bytes', limit: 2, where: {} };
    expect(merged(lists, query)).toEqual([{ bytes: 5 }, { bytes: 3 }]);
  });
});

describe('tables', () => {
  test('words to the left, numbers to the right', () => {
    const text = table(
      ['NAME', 'N'],
      [
        ['a', 5],
        ['longer', 100],
      ],
    );
    expect(text.split('\n')).toEqual(['NAME      N', 'a         5', 'longer  100']);
  });

  test('bytes and ages', () => {
    expect([0, 1023, 1024, 5 << 20, 3 * 2 ** 40].map(bytesText)).toEqual([
      '0 B',
      '1023 B',
      '1.0 KiB',
      '5.0 MiB',
      '3072.0 GiB',
    ]);
    const ages = [0, 59_000, 60_000, 3_900_000, 90_000_000].map(ageText);
    expect(ages).toEqual(['0s', '59s', '1m', '1h 5m', '1d 1h']);
  });

  test('of processes, with their sum', () => {
    const one = {
      role: 'worker',
      slot: 0,
      pid: 12,
      state: 'ready',
      startedAt: 0,
      ...NO_LOAD,
      connections: 3,
      perSecond: 10.4,
      cpuPercent: 12.3,
      extra: {},
    };
    const lines = statusTable([one, { ...one, slot: 1, role: 'clerk' }], 61_000).split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[1]).toMatch(/^worker 0 +12 +ready +1m +3 +0 +10 +0 B +12% +0 B +0\.0 ms$/);
    expect(lines[2]).toMatch(/^clerk /);
    expect(lines[3]).toMatch(/^total +6 +0 +21 +0 B +25% +0 B$/);
  });

  test('of connections', () => {
    const text = connectionsTable([{ pid: 1, agent: 'ann', ip: '::1', bytes: 2048, rttUs: 1500 }], {
      agent: 'AGENT',
    });
    expect(text.split('\n')[1]).toMatch(/^ *1 +ann +::1 +0s +2\.0 KiB +0 +0 B +1\.5 ms$/);
  });
});
