// sluice/swoole on real sockets: events, sending by number, flow, the end.

import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as swoole from '../../lib/compat/swoole/index.ts';
import { talkers } from '../support/swoole-rig.ts';
import { until } from '../support/until.ts';
import { handshakeHead } from '../support/websocket-client.ts';

const { CloseFrame, Frame, Server } = swoole;

describe('push', () => {
  test('text, bytes, a Frame and a compressed one arrive as they are', async () => {
    const { rig, fds } = await talkers({ websocket_compression: true });
    const client = await rig.open('/', [], { perMessageDeflate: true });
    const [fd = 0] = fds;
    const frame = new Frame();
    frame.data = 'framed';
    const long = 'long '.repeat(500);
    expect(rig.server.push(fd, 'héllo')).toBe(true);
    expect(rig.server.push(fd, Buffer.from([0, 1]), swoole.WEBSOCKET_OPCODE_BINARY)).toBe(true);
    expect(rig.server.push(fd, frame)).toBe(true);
    expect(rig.server.push(fd, long, 1, 1 | swoole.SWOOLE_WEBSOCKET_FLAG_COMPRESS)).toBe(true);
    expect(await client.hears(4)).toEqual(['héllo', Buffer.from([0, 1]), 'framed', long]);
    expect(rig.server.getLastError()).toBe(0);
    expect(rig.server.stats().total_send_bytes).toBeLessThan(1000);
  });

  test('fragments are one message, and nothing comes between', async () => {
    const { rig, fds } = await talkers();
    const client = await rig.open();
    const [fd = 0] = fds;
    expect(rig.server.push(fd, 'a', swoole.WEBSOCKET_OPCODE_TEXT, 0)).toBe(true);
    expect(rig.server.push(fd, 'x')).toBe(false);
    expect(rig.server.getLastError()).toBe(swoole.SWOOLE_ERROR_WEBSOCKET_BAD_OPCODE);
    expect(rig.server.push(fd, 'b', swoole.WEBSOCKET_OPCODE_CONTINUATION, 0)).toBe(true);
    expect(rig.server.push(fd, 'c', swoole.WEBSOCKET_OPCODE_CONTINUATION)).toBe(true);
    expect(rig.server.push(fd, 'next')).toBe(true);
    expect(await client.hears(2)).toEqual(['abc', 'next']);
    expect(rig.server.push(fd, 'd', swoole.WEBSOCKET_OPCODE_CONTINUATION)).toBe(false);
  });

  test('what cannot be sent is false, and says why', async () => {
    const { rig, fds } = await talkers({ buffer_output_size: 10 });
    await rig.open();
    const [fd = 0] = fds;
    const why = (sent: boolean): number => (sent ? 0 : rig.server.getLastError());
    const { server } = rig;
    expect(why(server.push(fd, 'x'.repeat(10)))).toBe(0);
    expect(why(server.push(fd, 'x'.repeat(11)))).toBe(swoole.SWOOLE_ERROR_DATA_LENGTH_TOO_LARGE);
    expect(why(server.push(fd, 'x', 7))).toBe(swoole.SWOOLE_ERROR_WEBSOCKET_BAD_OPCODE);
    expect(why(server.push(fd, 'x', 1, 1 | 32))).toBe(swoole.SWOOLE_ERROR_WEBSOCKET_PACK_FAILED);
    expect(why(server.ping(fd, 'x'.repeat(126)))).toBe(swoole.SWOOLE_ERROR_WEBSOCKET_PACK_FAILED);
    expect(why(server.disconnect(fd, 1005))).toBe(swoole.SWOOLE_ERROR_WEBSOCKET_PACK_FAILED);
    expect(why(server.push(99, 'x'))).toBe(swoole.SWOOLE_ERROR_SESSION_NOT_EXIST);
    expect(() => server.push(fd, 5 as never)).toThrow(/string/);
    expect(why(server.disconnect(fd))).toBe(0);
    expect(why(server.push(fd, 'x'))).toBe(swoole.SWOOLE_ERROR_SESSION_CLOSED);
    expect(rig.errors).toEqual([]);
  });

  test('a stale fd never reaches whoever came after', async () => {
    const { rig, fds, closed } = await talkers();
    for (let round = 0; round < 5; round++) {
      const client = await rig.open();
      client.ws.close();
      await until('close', () => closed.length === round + 1);
    }
    const last = await rig.open();
    expect(new Set(fds).size).toBe(6);
    for (const stale of fds.slice(0, 5)) {
      expect(rig.server.exist(stale)).toBe(false);
      expect(rig.server.isEstablished(stale)).toBe(false);
      expect(rig.server.push(stale, 'not for you')).toBe(false);
      expect(rig.server.send(stale, 'not for you')).toBe(false);
      expect(rig.server.close(stale)).toBe(false);
      expect(rig.server.getClientInfo(stale)).toBe(false);
      expect(rig.server.bind(stale, 1) || rig.server.pause(stale)).toBe(false);
    }
    rig.server.push(fds[5] ?? 0, 'for you');
    expect(await last.hears(1)).toEqual(['for you']);
  });

  test('bufferFull and bufferEmpty: a slow peer is told of, then dropped for, then served', async () => {
    const told: string[] = [];
    const { rig, fds } = await talkers(
      { socket_buffer_size: 400_000, buffer_high_watermark: 100_000, buffer_low_watermark: 1000 },
      { bufferFull: () => told.push('full'), bufferEmpty: () => told.push('empty') },
    );
    const client = await rig.open();
    const [fd = 0] = fds;
    client.ws.pause();
    const text = 'x'.repeat(50_000);
    let taken = 0;
    await until('a full queue', () => {
      if (rig.server.push(fd, text)) taken++;
      return rig.server.lastOutcome === 'dropped';
    });
    expect(rig.server.getLastError()).toBe(swoole.SWOOLE_ERROR_OUTPUT_BUFFER_OVERFLOW);
    expect(told).toEqual(['full']);
    const info = rig.server.getClientInfo(fd);
    expect(info !== false && info.send_queued_bytes).toBeGreaterThan(300_000);
    client.ws.resume();
    await until('empty', () => told.length === 2);
    expect(told).toEqual(['full', 'empty']);
    expect((await client.hears(taken)).length).toBe(taken);
    expect(rig.server.push(fd, 'again')).toBe(true);
  });
});

describe('control frames', () => {
  test('ping, pong and close reach `message` when the settings say so', async () => {
    const { rig, fds, frames, closed } = await talkers({
      open_websocket_ping_frame: true,
      open_websocket_pong_frame: true,
      open_websocket_close_frame: true,
    });
    const client = await rig.open();
    client.ws.ping('from client');
    expect(rig.server.ping(fds[0] ?? 0, 'from server')).toBe(true);
    await until('ping and pong', () => frames.length === 2);
    expect(frames.map(({ opcode, data }) => [opcode, String(data)]).sort()).toEqual([
      [10, 'from server'],
      [9, 'from client'],
    ]);
    client.ws.close(4001, 'enough');
    await until('close', () => closed.length === 1);
    expect(frames[2]).toBeInstanceOf(CloseFrame);
    expect(frames[2]).toMatchObject({ opcode: 8, code: 4001, reason: 'enough', fd: fds[0] });
  });

  test('without them only data does, and pings are answered', async () => {
    const { rig, frames } = await talkers();
    const client = await rig.open();
    let pongs = 0;
    client.ws.on('pong', () => pongs++);
    client.ws.ping();
    await until('pong', () => pongs === 1);
    client.ws.send('data');
    await until('data', () => frames.length === 1);
    expect(frames[0]).toMatchObject({ data: 'data', opcode: 1, finish: true, flags: 1 });
  });
});

describe('the end of a connection', () => {
  test('close tells who began, with code and reason beside', async () => {
    const { rig, fds, closed } = await talkers();
    const first = await rig.open();
    first.ws.close(1000, 'done');
    await until('close', () => closed.length === 1);
    const second = await rig.open();
    expect(rig.server.disconnect(fds[1] ?? 0, 4002, 'kicked')).toBe(true);
    expect(await second.ended()).toEqual({ code: 4002, reason: 'kicked' });
    await until('close', () => closed.length === 2);
    const third = await rig.open();
    expect(rig.server.close(fds[2] ?? 0, true)).toBe(true);
    expect((await third.ended()).code).toBe(1006);
    await until('close', () => closed.length === 3);
    expect(closed.map(([fd, reactorId]) => [fd, reactorId])).toEqual([
      [fds[0], 0],
      [fds[1], -1],
      [fds[2], -1],
    ]);
    expect(closed[0]?.[2]).toMatchObject({ code: 1000, reason: 'done', initiator: 'peer' });
    expect(closed[1]?.[2]).toMatchObject({ initiator: 'us', wasClean: true });
  });

  test('plain HTTP ends in disconnect where there is one, else in close', async () => {
    const gone: string[] = [];
    const { rig, closed } = await talkers({}, { disconnect: (_server, fd) => gone.push(`${fd}`) });
    rig.raw().socket.end();
    await until('disconnect', () => gone.length === 1);
    expect(closed).toEqual([]);
    const other = await talkers();
    other.rig.raw().socket.end();
    await until('close', () => other.closed.length === 1);
  });

  test('getClientInfo and connections in the close callback still know it', async () => {
    const seen: unknown[] = [];
    const { rig } = await talkers(
      {},
      {
        close: (server, fd) => {
          const info = server.getClientInfo(fd);
          seen.push(info !== false && info.remote_ip, server.push(fd, 'late'));
        },
      },
    );
    (await rig.open()).ws.terminate();
    await until('close', () => seen.length === 2);
    expect(seen).toEqual(['127.0.0.1', false]);
    await until('nobody', () => rig.server.connections.length === 0);
  });
});

describe('callbacks that throw', () => {
  const names = ['open', 'message', 'connect', 'request', 'beforeHandshakeResponse'] as const;
  const cases = names.flatMap((name) => [true, false].map((isAsync) => ({ name, isAsync })));

  test.each(cases)(
    'an error in $name (async: $isAsync) ends its own connection and no other',
    async ({ name, isAsync }) => {
      let isBroken = false;
      const fail = (): unknown => {
        if (!isBroken) return undefined;
        const error = new Error(`in ${name}`);
        if (isAsync) return Promise.reject(error);
        throw error;
      };
      const { rig, fds } = await talkers({}, { [name]: fail });
      const good = await rig.open();
      const fd = fds[0] ?? [...rig.server.connections][0] ?? 0;
      isBroken = true;
      const bad = rig.raw();
      if (name === 'request') bad.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      else bad.send(handshakeHead('/'));
      if (name === 'message') bad.send(Buffer.from('818000000000', 'hex'));
      await until('the error', () => rig.errors.length > 0);
      expect(String(rig.errors[0])).toContain(`in ${name}`);
      if (name === 'request') await until('500', () => bad.received.includes('HTTP/1.1 500'));
      else await until('its end', () => bad.hasEnded || bad.isClosed);
      isBroken = false;
      expect(rig.server.push(fd, 'alive')).toBe(true);
      expect(await good.hears(1)).toEqual(['alive']);
    },
  );

  test('errors in close and in timers are told, and the server goes on', async () => {
    const { rig } = await talkers(
      {},
      {
        close: () => {
          throw new Error('in close');
        },
      },
    );
    rig.server.after(1, () => Promise.reject(new Error('in after')));
    rig.server.defer(() => {
      throw new Error('in defer');
    });
    (await rig.open()).ws.terminate();
    await until('three errors', () => rig.errors.length === 3);
    const texts = rig.errors.map((error) => (error as Error).message).sort();
    expect(texts).toEqual(['in after', 'in close', 'in defer']);
    await rig.open();
    expect(rig.server.connections.count()).toBe(1);
  });
});

describe('introspection', () => {
  test('getClientInfo, bind and stats', async () => {
    const { rig, fds, frames } = await talkers();
    const client = await rig.open();
    client.ws.send('hi');
    await until('a message', () => frames.length === 1);
    const [fd = 0] = fds;
    rig.server.push(fd, 'ho');
    await client.hears(1);
    expect(rig.server.bind(fd, 42)).toBe(true);
    expect(rig.server.bind(fd, 43)).toBe(false);
    expect(rig.server.getClientInfo(fd)).toMatchObject({
      server_port: rig.server.port,
      remote_ip: '127.0.0.1',
      uid: 42,
      worker_id: 0,
      websocket_status: swoole.WEBSOCKET_STATUS_ACTIVE,
    });
    expect(rig.server.connection_info(fd)).toEqual(rig.server.getClientInfo(fd));
    expect(rig.server.isEstablished(fd) && rig.server.exists(fd)).toBe(true);
    expect(rig.server.stats()).toMatchObject({
      connection_num: 1,
      accept_count: 1,
      close_count: 0,
      request_count: 1,
      response_count: 1,
      worker_num: 1,
    });
    const { server } = rig;
    expect([server.worker_id, server.getWorkerId(), server.manager_pid]).toEqual([0, 0, 0]);
    expect([server.getMasterPid(), server.getWorkerPid()]).toEqual([process.pid, process.pid]);
    expect([server.ssl, server.taskworker, server.host]).toEqual([false, false, '127.0.0.1']);
    expect([server.mode, server.type, server.ports.length]).toEqual([1, 1, 1]);
  });

  test('getClientList gives pages, and false at the end', async () => {
    const { rig } = await talkers();
    for (let i = 0; i < 5; i++) await rig.open();
    const all = [...rig.server.connections];
    expect(rig.server.getClientList(0, 2)).toEqual(all.slice(0, 2));
    expect(rig.server.getClientList(all[1], 10)).toEqual(all.slice(2));
    expect(rig.server.connection_list(all[4])).toBe(false);
    expect(rig.server.getClientList(0, 100)).toEqual(all);
    for (const count of [0, 101]) expect(() => rig.server.getClientList(0, count)).toThrow();
  });

  test('max_connection: one more is reset, and counted', async () => {
    const { rig } = await talkers({ max_connection: 1 });
    await rig.open();
    const second = rig.raw();
    await until('a reset', () => second.isClosed);
    expect(rig.server.stats()).toMatchObject({ abort_count: 1, connection_num: 1 });
  });
});

describe('flow', () => {
  test('pause holds messages back until resume', async () => {
    const { rig, fds, frames } = await talkers();
    const client = await rig.open();
    const [fd = 0] = fds;
    expect(rig.server.pause(fd)).toBe(true);
    client.ws.send('held');
    const other = await rig.open();
    other.ws.send('free');
    await until('the other', () => frames.length === 1);
    expect(frames[0]?.data).toBe('free');
    expect(rig.server.confirm(fd)).toBe(true);
    await until('the held one', () => frames.length === 2);
    expect(frames[1]?.data).toBe('held');
  });

  test('the heartbeat closes who is silent, not who is protected or talks', async () => {
    const { rig, fds } = await talkers({
      heartbeat_check_interval: 0.05,
      heartbeat_idle_time: 0.3,
    });
    const silent = await rig.open();
    const kept = await rig.open();
    const talks = await rig.open();
    const beat = setInterval(() => talks.ws.ping(), 30);
    expect(rig.server.protect(fds[1] ?? 0)).toBe(true);
    await silent.ended();
    clearInterval(beat);
    expect([kept.closed, talks.closed]).toEqual([undefined, undefined]);
    expect(rig.server.protect(fds[1] ?? 0, false)).toBe(true);
    await kept.ended();
  });

  test('heartbeat() names the idle, and closes them only if asked to', async () => {
    const { rig, fds } = await talkers({ heartbeat_idle_time: 0.05 });
    const client = await rig.open();
    await until('idle', () => rig.server.heartbeat(false).length === 1);
    expect(client.closed).toBeUndefined();
    expect(rig.server.heartbeat()).toEqual(fds);
    expect((await client.ended()).code).toBe(1000);
  });

  test('package_max_length: a longer message ends its connection with 1009', async () => {
    const { rig, frames } = await talkers({ package_max_length: 100 });
    const client = await rig.open();
    client.ws.send('x'.repeat(100));
    client.ws.send('x'.repeat(101));
    expect((await client.ended()).code).toBe(1009);
    expect(frames.length).toBe(1);
  });
});

describe('life', () => {
  test('start, workerStart, beforeShutdown, workerExit, workerStop, shutdown, in this order', async () => {
    const log: string[] = [];
    const note = (name: string) => (): unknown => log.push(name);
    const file = join(mkdtempSync(join(tmpdir(), 'swoole-')), 'pid');
    const { rig } = await talkers(
      { pid_file: file },
      {
        start: note('start'),
        workerStart: note('workerStart'),
        beforeShutdown: note('beforeShutdown'),
        workerExit: note('workerExit'),
        workerStop: note('workerStop'),
        shutdown: note('shutdown'),
      },
    );
    expect(readFileSync(file, 'utf8')).toBe(`${process.pid}`);
    expect(() => rig.server.start()).toThrow();
    expect(() => rig.server.set({ worker_num: 1 })).toThrow();
    const client = await rig.open();
    let ticks = 0;
    rig.server.tick(1, () => ticks++);
    expect(rig.server.stop(5)).toBe(false);
    expect(rig.server.stop()).toBe(true);
    expect((await client.ended()).code).toBe(1001);
    await until('shutdown', () => log.includes('shutdown'));
    expect(log).toEqual([
      'start',
      'workerStart',
      'beforeShutdown',
      'workerExit',
      'workerStop',
      'shutdown',
    ]);
    expect(() => readFileSync(file)).toThrow('ENOENT');
    const before = ticks;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(ticks).toBe(before);
  });

  test('shutdown before the port is open: it never opens', async () => {
    const server = new Server('127.0.0.1', 0);
    const log: string[] = [];
    server.on('message', () => undefined);
    server.on('start', () => log.push('start'));
    const end = new Promise<void>((resolve) => server.on('shutdown', () => resolve()));
    server.start();
    expect(server.shutdown()).toBe(true);
    await end;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(log).toEqual([]);
    expect(() => server.stats()).toThrow();
  });

  test('max_wait_time: who does not leave is reset', async () => {
    const { rig, closed } = await talkers({ max_wait_time: 0.1 });
    const client = rig.raw();
    await client.upgrade('/');
    client.socket.pause();
    rig.server.shutdown();
    await until('close', () => closed.length === 1);
    expect(closed[0]?.[1]).toBe(-1);
  });
});
