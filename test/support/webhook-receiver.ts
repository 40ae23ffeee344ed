// Somebody who takes webhooks, on real sockets: checks nothing unless told, answers what the test says.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedWebhook {
  readonly signature: string | undefined;
  readonly bytes: Buffer;
  readonly entryTime: number;
  /** mids or texts of its events, whatever names them first. */
  readonly names: readonly string[];
}

interface WebhookBody {
  readonly entry: readonly [
    { readonly time: number; readonly messaging: readonly Readonly<Record<string, unknown>>[] },
  ];
}

export class WebhookReceiver {
  readonly received: ReceivedWebhook[] = [];
  /** Status of the next answers, then 200. */
  answers: number[] = [];
  /** Called before an answer; may wait. */
  before: (webhook: ReceivedWebhook) => Promise<void> | void = () => undefined;
  verifyToken = 'v';
  readonly #server: Server;
  #waiting: (() => void)[] = [];
  #url = '';

  constructor() {
    this.#server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://gateway');
      if (request.method === 'GET') {
        const isOurs = url.searchParams.get('hub.verify_token') === this.verifyToken;
        response.statusCode = isOurs ? 200 : 403;
        response.end(url.searchParams.get('hub.challenge'));
        return;
      }
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const signature = request.headers['x-hub-signature-256'];
        void this.#take(Buffer.concat(chunks), String(signature)).then((status) => {
          response.statusCode = status;
          response.end('EVENT_RECEIVED');
        });
      });
    });
  }

  get url(): string {
    return this.#url;
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.#url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this.#url;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Resolves when so many posts have arrived. */
  async arrived(count: number): Promise<void> {
    while (this.received.length < count) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async #take(bytes: Buffer, signature: string): Promise<number> {
    const body: WebhookBody = JSON.parse(bytes.toString());
    const [entry] = body.entry;
    const names = entry.messaging.map((event) => String(event['name'] ?? Object.keys(event)));
    const webhook = { signature, bytes, entryTime: entry.time, names };
    this.received.push(webhook);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
    await this.before(webhook);
    return this.answers.shift() ?? 200;
  }
}
