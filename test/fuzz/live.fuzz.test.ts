// Hostile bytes on the real port of a running gateway, for a few seconds: afterwards the same process
// still answers, nothing is stored twice, and no descriptor is left behind. SLUICE_FUZZ_SEED repeats a run.

import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mintToken } from '../../lib/gateway/tokens.ts';
import { Agent } from '../integration/gateway-rig.ts';
import {
  GatewayProcess,
  PAGE,
  SECRETS,
  seededRandom,
  sign,
  textBody,
} from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { clientFrame } from '../support/websocket-frames.ts';

const SEED = Number(process.env['SLUICE_FUZZ_SEED'] ?? Date.now() % 0x7fffffff);
const RUN_MS = 5_000;
const LANES = 12;
/** A peer that says nothing more is left alone after this. */
const PATIENCE_MS = 150;
/** Descriptors come back after the lingering of closed connections. */
const SETTLE_MS_MAX = 15_000;

const random = seededRandom(SEED);
const below = (bound: number): number => Math.floor(random() * bound);
const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
const junk = (bytes: number): Buffer =>
  Buffer.from(Array.from({ length: bytes }, () => below(256)));

let gateway: GatewayProcess;
let token: string;

beforeAll(async () => {
  gateway = await GatewayProcess.create({ config: { limits: { requestsPerSecond: 100_000 } } });
  await gateway.start();
  const claims = { id: 'ann', name: 'Ann', role: 'agent', pages: [PAGE] } as const;
  token = await mintToken(SECRETS.jwtSecret, { ...claims, ttlSeconds: 3_600 });
});
afterAll(() => gateway.dispose());

/** Replaces, cuts, doubles or inserts somewhere. */
function damage(input: Buffer): Buffer {
  const at = below(input.length + 1);
  switch (below(6)) {
    case 0:
      return input.subarray(0, at);
    case 1:
      return Buffer.concat([input.subarray(0, at), junk(1 + below(8)), input.subarray(at)]);
    case 2:
      return Buffer.concat([input, input.subarray(at)]);
    case 3: {
      const copy = Buffer.from(input);
      copy[Math.min(at, copy.length - 1)] = below(256);
      return copy;
    }
    case 4:
      return Buffer.concat([
        input.subarray(0, at),
        Buffer.from(pick(SPLINTERS)),
        input.subarray(at),
      ]);
    default:
      return input;
  }
}

const SPLINTERS = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  ': ',
  '%00',
  '%',
  '  ',
  'x'.repeat(20_000),
  '\u{1F600}',
  '"',
  '{',
  '[[',
];

const HEADS = [
  'GET /console/ HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /api/v1/session HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x.y.z\r\n\r\n',
  'POST /webhook/messenger HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
  'POST /webhook/messenger HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'PUT /agent HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n',
  'GET /webhook/messenger?hub.mode=subscribe&hub.verify_token=x&hub.challenge=1 HTTP/1.0\r\n\r\n',
] as const;

function upgradeHead(bearer: string): string {
  return (
    'GET /agent HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n' +
    `Sec-WebSocket-Protocol: sluice.v1, bearer.${bearer}\r\n\r\n`
  );
}

const VALUES = [
  null,
  true,
  -1,
  1e308,
  '',
  [],
  {},
  [[]],
  '\ud800',
  'x'.repeat(3_000),
  2 ** 60,
  { id: null },
];

/** A webhook with a good signature whose fields are of any shape. */
function webhookBody(): string {
  const body = JSON.parse(textBody(`m_live-${below(1e9)}`, String(below(50)), 'hi')) as unknown;
  let node = body as Record<string, unknown>;
  for (let depth = below(7); depth >= 0; depth--) {
    const key = pick([...Object.keys(node), 'messaging', 'changes', 'standby', 'proto', '0']);
    const next = node[key];
    if (depth > 0 && typeof next === 'object' && next !== null) node = next as typeof node;
    else {
      node[key] = structuredClone(pick(VALUES));
      break;
    }
  }
  const text = JSON.stringify(body).replaceAll('"proto"', '"__proto__"');
  if (random() < 0.1) return '['.repeat(below(60_000));
  return random() < 0.2 ? damage(Buffer.from(text)).toString() : text;
}

function requestText(): string {
  const type = pick([
    'hello',
    'send',
    'list',
    'history',
    'seen',
    'typing',
    'token',
    'resolve',
    'x',
  ]);
  const message: Record<string, unknown> = {
    type,
    id: `${below(1e6)}`,
    conversation: `messenger/${PAGE}/${below(50)}`,
    message: { text: 'hi' },
    state: 'open',
    seq: below(100),
  };
  for (let count = below(3); count > 0; count--) {
    message[pick([...Object.keys(message), 'since', 'cursor', 'limit', 'token'])] = structuredClone(
      pick(VALUES),
    );
  }
  return JSON.stringify(message);
}

function frames(): Buffer {
  const made: Buffer[] = [];
  const hello = Buffer.from('{"type":"hello","id":"1","session":"s"}');
  if (random() < 0.7)
    made.push(clientFrame({ opcode: 1, payload: hello, fin: true, mask: [9, 9, 9, 9] }));
  for (let count = 1 + below(6); count > 0; count--) {
    const mask = [below(256), below(256), below(256), below(256)] as const;
    const isWild = random() < 0.3;
    const frame = clientFrame({
      opcode: isWild ? below(16) : 1,
      fin: !isWild || random() < 0.5,
      payload: random() < 0.2 ? junk(below(300)) : Buffer.from(requestText()),
      rsv: isWild && random() < 0.3 ? below(8) : 0,
      mask: isWild && random() < 0.2 ? false : mask,
      ...(isWild && random() < 0.2 ? { announced: BigInt(below(2 ** 31)) * 65_536n } : {}),
    });
    made.push(random() < 0.2 ? damage(frame) : frame);
  }
  return Buffer.concat(made);
}

type Attack = () => Buffer;
const ATTACKS: Readonly<Record<string, Attack>> = {
  'http garbage': () => damage(damage(Buffer.from(pick(HEADS) + pick(HEADS)))),
  noise: () => junk(below(2_000)),
  'half handshake': () => damage(Buffer.from(upgradeHead(pick([token, 'x.y.z', ''])))),
  frames: () => Buffer.concat([Buffer.from(upgradeHead(token)), frames()]),
  webhook: () => {
    const body = webhookBody();
    const head = `POST /webhook/messenger HTTP/1.1\r\nHost: a\r\nX-Hub-Signature-256: ${sign(body)}\r\n`;
    const length = Buffer.byteLength(body);
    return Buffer.from(`${head}Content-Length: ${length}\r\n\r\n${body}`);
  },
};

/** Sends the bytes in pieces, waits a little for what comes, and leaves in one of the rude ways. */
async function attack(bytes: Buffer): Promise<number> {
  const socket = connect(gateway.port, '127.0.0.1');
  let heard = 0;
  socket.on('data', (chunk: Buffer) => {
    heard += chunk.length;
  });
  socket.on('error', () => undefined);
  const closed = once(socket, 'close');
  const cut = random() < 0.5 ? bytes.length : below(bytes.length + 1);
  socket.write(bytes.subarray(0, cut));
  if (cut < bytes.length) socket.write(bytes.subarray(cut));
  const way = below(4);
  if (way === 0) socket.end();
  if (way === 1) socket.resetAndDestroy();
  const timer = setTimeout(() => socket.destroy(), below(PATIENCE_MS));
  await closed;
  clearTimeout(timer);
  return heard;
}

/** Sockets that the process holds; the journal's files and its thread's descriptors come and go. */
function socketsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => isSocket(`/proc/${pid}/fd/${fd}`)).length;
}

function isSocket(link: string): boolean {
  try {
    return readlinkSync(link).startsWith('socket:');
  } catch (error) {
    // Closed between the listing and the look.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

test(`a gateway on the network survives ${RUN_MS} ms of hostile bytes (seed ${SEED})`, async () => {
  console.log(`live fuzz: SLUICE_FUZZ_SEED=${SEED}`);
  expect(await gateway.post(textBody('m_before', '7', 'before'))).toBe(200);
  const { pid } = gateway;
  expect((await gateway.admin('/healthz')).status).toBe(200);
  const base = socketsOf(pid);
  const counts = new Map<string, number>();
  let answered = 0;
  const latest = Date.now() + RUN_MS;
  const lane = async (): Promise<void> => {
    while (Date.now() < latest) {
      const name = pick(Object.keys(ATTACKS));
      counts.set(name, (counts.get(name) ?? 0) + 1);
      if ((await attack(ATTACKS[name]?.() ?? junk(10))) > 0) answered += 1;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  console.log(`live fuzz: ${total} connections, ${answered} answered`, counts);
  expect(answered).toBeGreaterThan(total / 10);

  expect(gateway.pid).toBe(pid);
  expect((await gateway.admin('/healthz')).status).toBe(200);
  expect((await gateway.admin('/readyz')).status).toBe(200);
  // A kept-alive connection of this test's own may have come meanwhile.
  await until('the descriptors', () => socketsOf(pid) <= base + 2, SETTLE_MS_MAX);
  expect(gateway.output).not.toContain('A handler failed');
  const agent = new Agent(gateway.url, token);
  await agent.opened;
  agent.say({ type: 'hello', id: 'h', session: 'after' });
  await agent.next((message) => message['type'] === 'position');
  expect(await gateway.post(textBody('m_after', '7', 'after'))).toBe(200);
  expect(await agent.event('message.received')).toMatchObject({ data: { mid: 'm_after' } });
  agent.socket.terminate();
  const { sessions } = JSON.parse((await gateway.admin('/status')).text) as { sessions: number };
  expect(sessions).toBeLessThanOrEqual(1);
  const mids = gateway
    .records()
    .filter((record) => record.kind === 'message.received')
    .map((record) => record.data['mid']);
  expect(new Set(mids).size).toBe(mids.length);
}, 60_000);
