// Many agents in one process, lightly: each socket only looks for the number in a text and counts, so
// that the measuring side does not become the slowest part.

import { WebSocket } from 'ws';
import { mintToken } from '../../lib/gateway/tokens.ts';
import { type GatewayProcess, PAGE, SECRETS } from './gateway-process.ts';

/** A text that agents find again: `load:17;`. */
export function loadText(n: number): string {
  return `load:${n};`;
}

const MARK = 'load:';
const JOIN_MS_MAX = 20_000;

export interface LightAgent {
  readonly socket: WebSocket;
  /** How many marked messages of customers came. */
  count: number;
  /** Replies to its own requests, by ok and not ok. */
  accepted: number;
  refused: number;
}

/** Reads the number behind the mark; -1 when there is none. */
function numberIn(data: Buffer): number {
  const at = data.indexOf(MARK);
  if (at < 0) return -1;
  let value = 0;
  for (let index = at + MARK.length; data[index] !== 0x3b; index++) {
    value = value * 10 + (data[index] ?? 0x3b) - 0x30;
  }
  return value;
}

/** Joins as an agent of PAGE. @param onNumber every number of a customer's message that came */
export async function joinLightly(
  gateway: GatewayProcess,
  id: string,
  onNumber: (n: number) => void = () => undefined,
): Promise<LightAgent> {
  const claims = { id, name: `Agent ${id}`, role: 'agent', pages: [PAGE] } as const;
  const token = await mintToken(SECRETS.jwtSecret, { ...claims, ttlSeconds: 3_600 });
  const socket = new WebSocket(gateway.agentUrl, ['sluice.v1', `bearer.${token}`], {
    perMessageDeflate: false,
  });
  const agent: LightAgent = { socket, count: 0, accepted: 0, refused: 0 };
  const hello = { type: 'hello', id: 'h', session: `tab-${id}` };
  socket.on('open', () => socket.send(JSON.stringify(hello)));
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${id} has not joined.`)), JOIN_MS_MAX);
    socket.on('error', reject);
    socket.on('message', (data: Buffer) => {
      if (data.includes('"kind":"message.received"')) {
        const n = numberIn(data);
        if (n < 0) return;
        agent.count += 1;
        onNumber(n);
      } else if (data.includes('"type":"reply"')) {
        if (data.includes('"ok":true')) agent.accepted += 1;
        else agent.refused += 1;
      } else if (data.includes('"type":"position"')) {
        clearTimeout(timer);
        resolve();
      }
    });
  });
  return agent;
}

/** The value below which `share` of the values are. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
