// The opening handshake in a program's own hands: what its `handshake` or `beforeHandshakeResponse` callback
// sets on the response becomes the decision that the server carries out.

import { SluiceError } from '../../base/errors.ts';
import { isThenable } from '../../base/thenable.ts';
import type { UpgradeExchange } from '../../server/http/http-upgrade.ts';
import { HttpRequest } from '../../server/http/request.ts';
import type { ServerRequest, UpgradeDecision } from '../../server/types.ts';
import type { WebSocketContext } from '../../server/websocket/websocket-context.ts';
import { type ResolvedRoute, upgradeToWebSocket } from '../../server/websocket/websocket-route.ts';
import type { Client } from './clients.ts';
import { guarded, type ServerEvents } from './events.ts';
import type { Port } from './port.ts';
import { Request } from './request.ts';
import type { AnswerSink } from './response.ts';
import { responseOf } from './sending.ts';

/** The server makes these itself. */
const OWN_FIELDS = new Set([
  'upgrade',
  'connection',
  'sec-websocket-accept',
  'sec-websocket-version',
  'sec-websocket-extensions',
]);
const SWITCHING = 101;
const NO_BYTES = Buffer.alloc(0);

type Decision = UpgradeDecision<Client>;

/** The handshakes of one port. */
export class Handshakes {
  readonly #port: Port;
  readonly #route: ResolvedRoute;
  readonly #context: WebSocketContext;

  constructor(port: Port, route: ResolvedRoute, context: WebSocketContext) {
    this.#port = port;
    this.#route = route;
    this.#context = context;
  }

  begin(exchange: UpgradeExchange, client: Client): void {
    const handshake = this.#port.callbacks.get('handshake');
    if (handshake === undefined) this.#take(exchange);
    else this.#shakeHands(exchange, client, handshake);
  }

  /** The route's hook: asked once the handshake is well-formed. */
  decide(source: ServerRequest): Decision | Promise<Decision> {
    const { host, callbacks, settings } = this.#port;
    const client = host.clients.of(HttpRequest.connectionOf(source));
    if (client === undefined) return { reject: 500 };
    if (client.decision !== undefined) return client.decision;
    const request = new Request(source, client, NO_BYTES);
    client.request = request;
    const answer = new HandshakeAnswer(() => undefined);
    const offered = source.headers['sec-websocket-protocol'] ?? '';
    const wanted = settings.websocket_subprotocol ?? '';
    if (offered.split(',').some((name) => name.trim() === wanted)) answer.protocol = wanted;
    const before = callbacks.get('beforeHandshakeResponse');
    if (before === undefined) return answer.decide(client, offered);
    const result: unknown = before(host.facade, request, responseOf(client, answer));
    if (!isThenable(result)) return answer.decide(client, offered);
    return Promise.resolve(result).then(() => answer.decide(client, offered));
  }

  #take(exchange: UpgradeExchange): void {
    upgradeToWebSocket(exchange, this.#route, this.#context);
  }

  #shakeHands(
    exchange: UpgradeExchange,
    client: Client,
    handshake: ServerEvents['handshake'],
  ): void {
    const source = exchange.request;
    const answer = new HandshakeAnswer(() => {
      if (!answer.accepts) {
        exchange.refuse(answer.code, answer.headers, answer.body);
        return;
      }
      client.decision = answer.decide(client, source.headers['sec-websocket-protocol'] ?? '');
      this.#take(exchange);
    });
    const request = new Request(source, client, NO_BYTES);
    client.request = request;
    const judge = async (): Promise<void> => {
      const result = await handshake(request, responseOf(client, answer));
      if (result === false) exchange.refuse(403);
    };
    guarded(judge, (error) => {
      this.#port.report(error);
      exchange.refuse(500);
    });
  }
}

export class HandshakeAnswer implements AnswerSink {
  code = 200;
  finished = false;
  body: string | undefined;
  readonly headers: Record<string, string> = {};
  protocol = '';
  readonly #ended: () => void;

  constructor(ended: () => void) {
    this.#ended = ended;
  }

  get accepts(): boolean {
    return this.code === SWITCHING;
  }

  status(code: number): void {
    this.code = code;
  }

  header(name: string, value: string): void {
    const lower = name.toLowerCase();
    if (lower === 'sec-websocket-protocol') this.protocol = value;
    else if (!OWN_FIELDS.has(lower)) this.headers[name] = value;
  }

  write(chunk: string | Uint8Array): void {
    this.body = (this.body ?? '') + textOf(chunk);
  }

  end(body?: string | Uint8Array): void {
    if (body !== undefined) this.write(body);
    this.finished = true;
    this.#ended();
  }

  stream(): Promise<void> {
    return Promise.reject(new SluiceError('ERR_UNSUPPORTED', 'A handshake sends no file.'));
  }

  /** @param offered Sec-WebSocket-Protocol of the client, of which a whole list may be the answer */
  decide(client: Client, offered: string): UpgradeDecision<Client> {
    const names = new Set(offered.split(',').map((name) => name.trim()));
    const chosen = this.protocol.split(',').map((name) => name.trim());
    const protocol = chosen.find((name) => names.has(name)) ?? this.protocol;
    return { data: client, protocol, headers: this.headers };
  }
}

function textOf(chunk: string | Uint8Array): string {
  return typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8');
}
