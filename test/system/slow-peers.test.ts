// Peers that hold a connection without using it: a byte now and then in every place where the server
// waits for more, and clients that vanish without a word. All are cut by the timeouts, none sooner.
// In `npm run soak` a byte takes a second and a timeout ten; here both are a tenth of that.

import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { canIsolate, Endurance, IS_SOAK } from '../support/endurance.ts';
import { handshakeHead } from '../support/websocket-client.ts';
import { clientFrame } from '../support/websocket-frames.ts';

const BYTE_EVERY_MS = IS_SOAK ? 1000 : 100;
const TIMEOUT_MS = 10 * BYTE_EVERY_MS;
/** A frame is given twice the idle time and the rest of the step in which it began; then come others. */
const CUT_MS_MAX = 4 * TIMEOUT_MS + 5000;
const LINGER_MS = 2000;

const OPTIONS = {
  headTimeoutMs: TIMEOUT_MS,
  bodyTimeoutMs: TIMEOUT_MS,
  keepAliveTimeoutMs: TIMEOUT_MS,
  handshakeTimeoutMs: TIMEOUT_MS,
};

let endurance: Endurance | undefined;
afterEach(() => endurance?.stop());

function startServer(options: { readonly isolated?: boolean } = {}): Promise<Endurance> {
  const route = { idleTimeoutMs: TIMEOUT_MS };
  return Endurance.start({ options: OPTIONS, route, ...options });
}

interface Cut {
  readonly afterMs: number;
  readonly text: string;
}

/** Sends `fast` at once and then a byte at a time, for ever. Resolves when the server ends it. */
function trickle(port: number, fast: string | Buffer, slow: Buffer): Promise<Cut> {
  const socket = connect(port, '127.0.0.1');
  const started = performance.now();
  let text = '';
  let at = 0;
  socket.write(fast);
  const timer = setInterval(
    () => socket.write(slow.subarray(at % slow.length, (at++ % slow.length) + 1)),
    BYTE_EVERY_MS,
  );
  return new Promise((resolve) => {
    const finish = (): void => {
      clearInterval(timer);
      socket.destroy();
      resolve({ afterMs: performance.now() - started, text });
    };
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('end', finish);
    socket.on('close', finish);
    socket.on('error', finish);
  });
}

const HANDSHAKE = handshakeHead('/echo');
const LONG_FRAME = clientFrame({ payload: 'x'.repeat(100_000) });
const POST = 'POST /body HTTP/1.1\r\nHost: a\r\n';
const BYTES = Buffer.alloc(1000, 'x');
/** 1008, behind the answer to the handshake. */
const CLOSED_1008 = /101 Switching[\s\S]*\x88.\x03\xf0The frame does not move on\./;

describe('a byte at a time', () => {
  let run: Endurance;
  beforeAll(async () => {
    run = await startServer();
  });
  afterAll(() => run.stop());

  test.concurrent.each<[string, string | Buffer, Buffer, RegExp]>([
    ['in the request line', '', Buffer.from(`GET /${'x'.repeat(1000)}`), /^HTTP\/1\.1 408 /],
    ['in a header field', 'GET / HTTP/1.1\r\nX: ', BYTES, /^HTTP\/1\.1 408 /],
    ['in the head of a handshake', HANDSHAKE.slice(0, -2), BYTES, /^HTTP\/1\.1 408 /],
    ['in a body', `${POST}Content-Length: 100000\r\n\r\n`, BYTES, /^HTTP\/1\.1 408 /],
    ['in a chunk', `${POST}Transfer-Encoding: chunked\r\n\r\nffff\r\n`, BYTES, /^HTTP\/1\.1 408 /],
    [
      'in the size of a chunk',
      `${POST}Transfer-Encoding: chunked\r\n\r\n`,
      Buffer.from(`1;${'x'.repeat(998)}`),
      /^HTTP\/1\.1 40[08] /,
    ],
    ['from the first byte of a frame on', HANDSHAKE, LONG_FRAME, CLOSED_1008],
    [
      'in the payload of a frame',
      Buffer.concat([Buffer.from(HANDSHAKE), LONG_FRAME.subarray(0, 1000)]),
      LONG_FRAME.subarray(1000),
      CLOSED_1008,
    ],
  ])('%s is cut', async (_where, fast, slow, answer) => {
    const cut = await trickle(run.port, fast, slow);
    expect(cut.text).toMatch(answer);
    expect(cut.afterMs).toBeGreaterThan(TIMEOUT_MS * 0.9);
    expect(cut.afterMs).toBeLessThan(CUT_MS_MAX);
  });
});

async function goneWithin(run: Endurance, ms: number): Promise<readonly number[]> {
  const end = performance.now() + ms;
  const closed: number[] = [];
  for (;;) {
    const now = await run.measure();
    closed.push(...now.closed);
    if (now.connections === 0) return closed;
    if (performance.now() > end) throw new Error(`${now.connections} connections are left`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe('clients that vanish', () => {
  // Where we may, their network goes away, so that not even the kernel answers; else their process stands still.
  const isolated = canIsolate();

  test('are dropped when no pong has come, with 1006', async () => {
    endurance = await startServer({ isolated });
    const run = endurance;
    const crowd = run.crowd();
    await crowd.ask('open 200 /echo');
    expect((await run.measure()).connections).toBe(200);
    run.vanish();
    const closed = await goneWithin(run, CUT_MS_MAX + LINGER_MS);
    expect(closed).toEqual(Array.from({ length: 200 }, () => 1006));
  });

  test('while those who say something now and then stay', async () => {
    endurance = await startServer();
    const run = endurance;
    const crowd = run.crowd();
    await crowd.ask('open 20 /echo');
    await crowd.ask(`paced 100 ${3 * TIMEOUT_MS}`);
    expect((await run.measure()).connections).toBe(20);
  });
});
