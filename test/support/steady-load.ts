// A load that goes on whatever happens: signed webhooks at a rate, and new connections that ask for something.

import { once } from 'node:events';
import { connect } from 'node:net';
import { Agent, request } from 'undici';
import { type GatewayProcess, sign, textBody } from './gateway-process.ts';

const TICK_MS = 5;
const ANSWER_MS_MAX = 10_000;

/** Calls `begin(n)` at a rate until it is stopped; resolves when all that it began is over. */
export class Paced {
  #isRunning = true;
  readonly done: Promise<void>;

  constructor(perSecond: number, begin: (n: number) => Promise<void>) {
    this.done = this.#run(perSecond, begin);
  }

  stop(): Promise<void> {
    this.#isRunning = false;
    return this.done;
  }

  async #run(perSecond: number, begin: (n: number) => Promise<void>): Promise<void> {
    const startedAt = performance.now();
    const open = new Set<Promise<void>>();
    for (let n = 0; this.#isRunning; ) {
      const due = ((performance.now() - startedAt) * perSecond) / 1000;
      for (; n < due; n++) {
        const one = begin(n).finally(() => open.delete(one));
        open.add(one);
      }
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
    await Promise.all(open);
  }
}

export interface Answers {
  /** By status; 0 is a connection that was refused or reset. */
  readonly statuses: Map<number, number>;
  /** What went wrong, a few. */
  readonly faults: string[];
  msMax: number;
}

export function noAnswers(): Answers {
  return { statuses: new Map(), faults: [], msMax: 0 };
}

function note(answers: Answers, status: number, startedAt: number, fault = ''): void {
  answers.statuses.set(status, (answers.statuses.get(status) ?? 0) + 1);
  answers.msMax = Math.max(answers.msMax, performance.now() - startedAt);
  if (fault !== '' && answers.faults.length < 5) answers.faults.push(fault);
}

/** Posts webhooks over kept connections, as Meta does. */
export class Webhooks {
  readonly answers = noAnswers();
  readonly #gateway: GatewayProcess;
  readonly #agent = new Agent({ connections: 256, pipelining: 1 });

  constructor(gateway: GatewayProcess) {
    this.#gateway = gateway;
  }

  /**
   * @param at of the event: who posts it again has the same, as Meta has
   * @returns the status, 0 when the connection failed
   */
  async post(mid: string, user: string, page: string, at = Date.now()): Promise<number> {
    const body = textBody(mid, user, `message ${mid}`, at, page);
    const startedAt = performance.now();
    try {
      const { statusCode, body: answer } = await request(this.#gateway.webhookUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-hub-signature-256': sign(body) },
        body,
        dispatcher: this.#agent,
        headersTimeout: ANSWER_MS_MAX,
      });
      await answer.dump();
      note(this.answers, statusCode, startedAt);
      return statusCode;
    } catch (error) {
      note(this.answers, 0, startedAt, `${mid}: ${String(error)}`);
      return 0;
    }
  }

  end(): Promise<void> {
    return this.#agent.destroy();
  }
}

const ASK = 'GET /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n';

/** Opens a connection, asks, and reads the whole answer. */
export async function visit(port: number, answers: Answers): Promise<void> {
  const startedAt = performance.now();
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.setTimeout(ANSWER_MS_MAX, () => socket.destroy(new Error('no answer in time')));
  socket.on('connect', () => socket.write(ASK));
  try {
    await once(socket, 'end');
    const status = Number(Buffer.concat(chunks).toString('latin1', 9, 12));
    note(answers, status, startedAt, status === 0 ? 'ended without an answer' : '');
  } catch (error) {
    note(answers, 0, startedAt, String(error));
  } finally {
    socket.destroy();
  }
}
