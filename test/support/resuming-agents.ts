// Many agents that come back wherever they are sent away from, and remember every event's number: for tests in
// which processes of the gateway are replaced or killed under load.

import { WebSocket } from 'ws';
import { mintToken } from '../../lib/gateway/tokens.ts';
import { SECRETS } from './gateway-process.ts';

interface Position {
  readonly epoch: string;
  seq: number;
}

/** What all agents of a crowd have met. */
export interface Encounters {
  /** Close codes, and how often; 1006 is a connection that was lost without a word. */
  readonly closes: Map<number, number>;
  /** When each agent came back after a 1012, ms since the epoch. */
  readonly returns: number[];
  /** Handshakes that failed. */
  failures: number;
  /** Snapshots after the first join: the state was not continued. */
  snapshots: number;
  /** 0 to 1, for the waits. */
  readonly random: () => number;
  /** Events whose predecessor in their conversation was not seen. */
  gaps: number;
}

export function noEncounters(random: () => number): Encounters {
  return { closes: new Map(), returns: [], failures: 0, snapshots: 0, gaps: 0, random };
}

/** As sluice/client: the first wait after a lost connection is uniform below this. */
const RETRY_MS_MAX = 1_000;

export class ResumingAgent {
  readonly page: string;
  /** Of every event, in the order of arrival. */
  readonly seqs: number[] = [];
  readonly #url: string;
  readonly #id: string;
  readonly #met: Encounters;
  readonly #lastOf = new Map<string, number>();
  #token = '';
  #position: Position | undefined;
  #socket: WebSocket | undefined;
  #retryInMs = 0;
  #leftAt = 0;
  #isEnded = false;
  #onJoined: () => void = () => undefined;

  constructor(url: string, id: string, page: string, met: Encounters) {
    this.#url = url;
    this.#id = id;
    this.page = page;
    this.#met = met;
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Resolves when it stands at the head. */
  async join(): Promise<void> {
    const claims = { id: this.#id, name: this.#id, role: 'agent', pages: [this.page] } as const;
    this.#token = await mintToken(SECRETS.jwtSecret, { ...claims, ttlSeconds: 3_600 });
    const joined = new Promise<void>((resolve) => {
      this.#onJoined = resolve;
    });
    this.#connect();
    await joined;
  }

  end(): void {
    this.#isEnded = true;
    this.#socket?.terminate();
  }

  #connect(): void {
    if (this.#isEnded) return;
    const socket = new WebSocket(this.#url, ['sluice.v1', `bearer.${this.#token}`], {
      perMessageDeflate: false,
    });
    this.#socket = socket;
    let isOpen = false;
    socket.on('error', () => undefined);
    socket.on('open', () => {
      isOpen = true;
      if (this.#leftAt > 0) this.#met.returns.push(Date.now());
      this.#leftAt = 0;
      const since = this.#position === undefined ? {} : { since: this.#position };
      socket.send(JSON.stringify({ type: 'hello', id: 'h', session: this.#id, ...since }));
    });
    socket.on('message', (data: Buffer) => this.#heard(JSON.parse(data.toString())));
    socket.on('close', (code) => this.#closed(code, isOpen));
  }

  #closed(code: number, wasOpen: boolean): void {
    if (this.#isEnded) return;
    if (wasOpen) this.#met.closes.set(code, (this.#met.closes.get(code) ?? 0) + 1);
    else this.#met.failures += 1;
    if (wasOpen && code === 1012) this.#leftAt = Date.now();
    const waitMs = wasOpen && code === 1012 ? this.#retryInMs : this.#met.random() * RETRY_MS_MAX;
    setTimeout(() => this.#connect(), waitMs);
  }

  #heard(message: {
    readonly type: string;
    readonly seq: number;
    readonly prev: number;
    readonly epoch: string;
    readonly conversation: string;
    readonly recovered: boolean;
    readonly retryInMs: number;
    readonly last: boolean;
    readonly conversations: readonly { readonly conversation: string; readonly seq: number }[];
  }): void {
    switch (message.type) {
      case 'welcome':
        if (!message.recovered && this.#position !== undefined) this.#met.snapshots += 1;
        if (!message.recovered) this.#position = { epoch: message.epoch, seq: message.seq };
        return;
      case 'snapshot':
        for (const { conversation, seq } of message.conversations) {
          this.#lastOf.set(conversation, seq);
        }
        return;
      case 'drain':
        this.#retryInMs = message.retryInMs;
        return;
      case 'event':
        this.#event(message.conversation, message.seq, message.prev);
        return;
      case 'position':
        this.#move(message.seq);
        this.#onJoined();
    }
  }

  #event(conversation: string, seq: number, prev: number): void {
    const last = this.#lastOf.get(conversation) ?? 0;
    // Included in the conversation's object already.
    if (seq <= last && !this.seqs.includes(seq)) return;
    if (prev !== last) this.#met.gaps += 1;
    this.#lastOf.set(conversation, seq);
    this.seqs.push(seq);
    this.#move(seq);
  }

  #move(seq: number): void {
    if (this.#position !== undefined) this.#position.seq = Math.max(this.#position.seq, seq);
  }
}
