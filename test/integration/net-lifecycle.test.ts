// How connections end and rest: half-close, lingering close, reset, pause, deadlines, drain, and what
// calls on a connection that is gone do.

import { afterEach, describe, expect, test } from 'vitest';
import { ERROR_NAMES } from '../../lib/native/error-names.ts';
import { HIGH_WATER_BYTES, WHEEL_TICK_MS } from '../../lib/native/layout.ts';
import { createLoop } from '../../lib/net/event-loop.ts';
import type { Connection } from '../../lib/net/types.ts';
import { type Handlers, NetHarness } from '../support/net-harness.ts';

let harness: NetHarness;

function start(handlers: Handlers = {}): NetHarness {
  harness = new NetHarness(handlers);
  return harness;
}

/** The first connection of the harness. */
function first(): Connection {
  const connection = harness.connections[0];
  if (connection === undefined) throw new Error('no connection');
  return connection;
}

afterEach(() => harness.stop());

describe('end of a connection', () => {
  test('a half-closed peer still gets its answer, and close comes once and last', async () => {
    start({
      onEnd(connection) {
        setImmediate(() => {
          connection.writeLatin1('answer');
          connection.close();
        });
      },
    });
    const client = await harness.client({ allowHalfOpen: true });
    client.socket.end('question');
    await harness.untilLogged('close 0');
    await harness.untilLogged('client end');
    expect(client.text).toBe('answer');
    expect(harness.log.filter((entry) => !entry.startsWith('client'))).toEqual([
      'open',
      'data 8',
      'end',
      'close 0',
    ]);
  });

  test('end sends FIN and goes on reading until the peer ends, too', async () => {
    start({
      onData(connection) {
        connection.writeLatin1('bye');
        connection.end();
      },
      onEnd: () => undefined,
    });
    const client = await harness.client({ allowHalfOpen: true });
    client.socket.write('one');
    await harness.untilLogged('client end');
    expect(first().isOpen).toBe(true);
    expect(first().writeLatin1('late')).toBe(ERROR_NAMES.EPIPE);
    client.socket.end('three');
    await harness.untilLogged('close 0');
    expect(harness.log).toContain('data 5');
    expect(harness.log.indexOf('end')).toBeLessThan(harness.log.indexOf('close 0'));
  });

  // Bug of the first draft: closing with unread input sends RST, and the client loses the answer.
  test('an upload that is refused in the middle gets its answer', async () => {
    const body = Buffer.alloc(20_000_000);
    start({
      onData(connection) {
        connection.writeLatin1('413 too large');
        connection.close();
      },
    });
    const client = await harness.client();
    client.socket.end(body);
    await harness.untilLogged('client end');
    await harness.untilLogged('close 0');
    expect(client.text).toBe('413 too large');
    expect(client.error).toBeUndefined();
    expect(harness.log.filter((entry) => entry.startsWith('data'))).toHaveLength(1);
  });

  test('close is bounded when the peer never closes', async () => {
    start({ onData: (connection) => connection.close() });
    const client = await harness.client({ allowHalfOpen: true });
    client.socket.write('x');
    await harness.untilLogged('client end');
    await harness.untilLogged('close 0');
    expect(client.socket.writable).toBe(true);
  });

  test('reset drops what is pending, and the peer sees it', async () => {
    start({ onData: (connection) => connection.reset() });
    const client = await harness.client();
    client.socket.write('x');
    await harness.untilLogged('client error');
    await harness.untilLogged('close 0');
    expect(client.error?.code).toBe('ECONNRESET');
  });

  test('data that came before a reset of the peer is delivered first', async () => {
    start();
    const client = await harness.client();
    client.socket.write('x', () => client.socket.resetAndDestroy());
    await harness.untilLogged(`close ${ERROR_NAMES.ECONNRESET}`);
    expect(harness.log.indexOf('data 1')).toBeGreaterThan(0);
    expect(harness.log).not.toContain('end');
  });

  test('after the end no call does anything, also when the slot has a new owner', async () => {
    start({ onData: (connection) => connection.writeLatin1('mine') });
    const old = await harness.client();
    old.socket.destroy();
    await harness.untilLogged('close 0');
    const stale = first();
    // A slot rests until 64 others were freed: take it back on purpose.
    let reused: Connection | undefined;
    for (let i = 0; i < 200 && reused === undefined; i++) {
      const client = await harness.client();
      reused = harness.connections.find(
        (other) => other.id !== stale.id && other.id % 2 ** 20 === stale.id % 2 ** 20,
      );
      if (reused === undefined) {
        client.socket.destroy();
        await harness.untilLogged('close 0', i + 2);
      } else {
        expect(stale.writeLatin1('stolen')).toBe(ERROR_NAMES.EBADF);
        expect(stale.reserve(1)).toBe(ERROR_NAMES.EBADF);
        expect(stale.commit(1)).toBe(ERROR_NAMES.EBADF);
        expect([stale.isOpen, stale.pendingBytes]).toEqual([false, 0]);
        stale.close();
        stale.reset();
        stale.pause();
        stale.setDeadline(1);
        client.socket.write('x');
        await harness.until('its own answer', () => client.text === 'mine');
      }
    }
    expect(reused?.id).toBeGreaterThan(stale.id);
    expect(new Set(harness.connections.map((each) => each.id)).size).toBe(
      harness.connections.length,
    );
  });

  test('closing the loop closes every connection and resolves', async () => {
    start();
    await harness.client();
    await harness.client();
    await harness.loop.close();
    expect(harness.log.filter((entry) => entry === 'close 0')).toHaveLength(2);
    expect(() =>
      harness.loop.listen({ port: 0 }, () => {
        throw new Error('unused');
      }),
    ).toThrow(/closed/);
    await harness.loop.close();
  });
});

describe('pause', () => {
  test('a paused connection delivers nothing until it resumes', async () => {
    start({ onData: (connection) => connection.pause() });
    const client = await harness.client();
    client.socket.write('one');
    await harness.untilLogged('data 3');
    client.socket.write('three');
    // Another connection's round trip proves that the loop has turned meanwhile.
    const other = await harness.client();
    other.socket.write('four');
    await harness.untilLogged('data 4');
    expect(harness.log).not.toContain('data 5');
    first().resume();
    await harness.untilLogged('data 5');
  });

  test('a reset behind unread bytes does not spin the loop and is delivered at resume', async () => {
    start({ onData: (connection) => connection.pause() });
    const client = await harness.client();
    client.socket.write('one');
    await harness.untilLogged('data 3');
    client.socket.write('more', () => client.socket.resetAndDestroy());
    await harness.untilLogged('client close');
    const before = process.cpuUsage();
    const begun = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const used = process.cpuUsage(before);
    expect((used.user + used.system) / 1000).toBeLessThan((performance.now() - begun) * 0.7);
    expect(harness.log.some((entry) => entry.startsWith('close'))).toBe(false);
    first().resume();
    await harness.untilLogged('data 4');
    first().resume();
    await harness.untilLogged(`close ${ERROR_NAMES.ECONNRESET}`);
  });

  test('a reset while paused is delivered at once when nothing is unread', async () => {
    start({ onData: (connection) => connection.pause() });
    const client = await harness.client();
    client.socket.write('one');
    await harness.untilLogged('data 3');
    client.socket.resetAndDestroy();
    await harness.untilLogged(`close ${ERROR_NAMES.ECONNRESET}`);
  });
});

describe('setDeadline', () => {
  test('fires once, not early, and the latest call counts', async () => {
    start();
    await harness.client();
    const begun = performance.now();
    first().setDeadline(60_000);
    first().setDeadline(50);
    await harness.untilLogged('deadline');
    const waited = performance.now() - begun;
    // The engine's clock is coarse: up to 4 ms behind at the start.
    expect(waited).toBeGreaterThan(45);
    expect(waited).toBeLessThan(50 + 4 * WHEEL_TICK_MS + 400);
    expect(harness.log.filter((entry) => entry === 'deadline')).toHaveLength(1);
  });

  test('0 switches it off, and a later one replaces an earlier one', async () => {
    start();
    await harness.client();
    await harness.client();
    const [off, late] = harness.connections;
    off?.setDeadline(20);
    late?.setDeadline(20);
    const begun = performance.now();
    off?.setDeadline(0);
    late?.setDeadline(200);
    await harness.untilLogged('deadline');
    expect(performance.now() - begun).toBeGreaterThan(190);
    expect(harness.log.filter((entry) => entry === 'deadline')).toHaveLength(1);
  });

  test('is off again after it fired and may be set from its own handler', async () => {
    let count = 0;
    start({
      onDeadline(connection) {
        if (++count < 3) connection.setDeadline(1);
      },
    });
    await harness.client();
    first().setDeadline(1);
    await harness.untilLogged('deadline', 3);
  });
});

describe('backpressure', () => {
  test('pendingBytes grows while the peer does not read, and drain comes when it has', async () => {
    const chunk = Buffer.alloc(256 * 1024);
    start({
      onData(connection) {
        for (let i = 0; i < 64; i++) connection.write(chunk);
      },
    });
    const client = await harness.client();
    client.socket.pause();
    client.socket.write('x');
    await harness.untilLogged('data 1');
    await new Promise((resolve) => setImmediate(resolve));
    expect(first().pendingBytes).toBeGreaterThan(HIGH_WATER_BYTES);
    expect(harness.log).not.toContain('drain');
    client.socket.resume();
    await harness.untilLogged('drain');
    await harness.until('all bytes', () => client.receivedBytes === 64 * chunk.length);
    expect(first().pendingBytes).toBe(0);
    expect(harness.log.filter((entry) => entry === 'drain')).toHaveLength(1);
  });

  const marks = [
    { bytes: HIGH_WATER_BYTES - 1, drains: 0 },
    { bytes: HIGH_WATER_BYTES, drains: 1 },
  ];
  test.each(marks)('a burst of $bytes bytes drains $drains times', async ({ bytes, drains }) => {
    start({ onData: (connection) => connection.write(Buffer.alloc(bytes)) });
    const client = await harness.client();
    client.socket.write('x');
    await harness.until('all bytes', () => client.receivedBytes === bytes);
    client.socket.end();
    await harness.untilLogged('close 0');
    expect(harness.log.filter((entry) => entry === 'drain')).toHaveLength(drains);
  });

  // Each of these writes is taken whole by the kernel and brings about the next drain at once.
  test('a handler that writes at every drain does not keep others from their turn', async () => {
    const chunk = Buffer.alloc(HIGH_WATER_BYTES);
    let drains = 0;
    start({
      onData: (connection) => connection.write(chunk),
      onDrain(connection) {
        drains++;
        if (connection === first()) connection.write(chunk);
      },
    });
    const greedy = await harness.client();
    greedy.socket.write('x');
    await harness.until('some drains', () => drains > 20);
    const other = await harness.client();
    other.socket.write('x');
    await harness.until('its turn', () => other.receivedBytes === chunk.length);
    await new Promise((resolve) => setTimeout(resolve, 1));
    first().reset();
    await harness.untilLogged('close 0');
  });

  test('close sends what is pending before it ends', async () => {
    const bytes = 8_000_000;
    start({
      onData(connection) {
        connection.write(Buffer.alloc(bytes));
        connection.close();
      },
    });
    const client = await harness.client();
    client.socket.write('x');
    await harness.untilLogged('client end');
    expect(client.receivedBytes).toBe(bytes);
    await harness.untilLogged('close 0');
  });
});

test('many loops at once are not taken for a leak of exit listeners', async () => {
  start();
  const warnings: Error[] = [];
  const warned = (warning: Error): unknown => warnings.push(warning);
  const before = [process.getMaxListeners(), process.listenerCount('exit')];
  process.on('warning', warned);
  const loops = Array.from({ length: 15 }, createLoop);
  // A warning comes in a next tick.
  await new Promise((resolve) => setImmediate(resolve));
  await Promise.all(loops.map((loop) => loop.close()));
  process.off('warning', warned);
  expect(warnings).toEqual([]);
  expect([process.getMaxListeners(), process.listenerCount('exit')]).toEqual(before);
});
