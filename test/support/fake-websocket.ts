// A WebSocket that the test plays the server of: it records what the client writes and is opened,
// answered and closed by hand. `FakeNetwork` collects all that were made.

import type { WebSocketConstructor, WebSocketLike } from '../../lib/client/socket.ts';

export class FakeWebSocket implements WebSocketLike {
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: { readonly data: unknown }) => void) | null = null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly url: string;
  readonly protocols: string[];
  readonly written: Record<string, unknown>[] = [];
  closedWith: number | undefined;

  constructor(url: string, protocols: string[]) {
    this.url = url;
    this.protocols = protocols;
  }

  send(data: string): void {
    this.written.push(JSON.parse(data) as Record<string, unknown>);
  }

  close(code?: number): void {
    this.closedWith = code ?? 1005;
  }

  open(): void {
    this.onopen?.({} as never);
  }

  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  sayRaw(data: unknown): void {
    this.onmessage?.({ data });
  }

  drop(code: number): void {
    this.onclose?.({ code, reason: '' });
  }

  /** The requests that were written, without the hello. */
  get requests(): Record<string, unknown>[] {
    return this.written.filter((message) => message['type'] !== 'hello');
  }

  get hello(): Record<string, unknown> | undefined {
    return this.written.find((message) => message['type'] === 'hello');
  }
}

export class FakeNetwork {
  readonly sockets: FakeWebSocket[] = [];
  readonly webSocket: WebSocketConstructor;

  constructor() {
    const { sockets } = this;
    this.webSocket = class extends FakeWebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        sockets.push(this);
      }
    };
  }

  get last(): FakeWebSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error('no connection was tried');
    return socket;
  }
}
