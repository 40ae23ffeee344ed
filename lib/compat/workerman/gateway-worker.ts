// GatewayWorker: a worker whose clients have ids, and whose events are functions of those ids, in one process
// or several. What its Gateway, Register and BusinessWorker do between them is not needed here.

import type { WorkerRole } from '../../process/types.ts';
import type { MessageData } from './callbacks.ts';
import { currentClient, gatewayClients } from './gateway.ts';
import type { Client } from './gateway-clients.ts';
import type { Request } from './request.ts';
import type { TcpConnection } from './tcp-connection.ts';
import { Timer } from './timer.ts';
import { Worker, type WorkerContext } from './worker.ts';

/** GatewayWorker's class Events, as an object. */
export interface GatewayEvents {
  onWorkerStart?(worker: Worker): unknown;
  onWorkerStop?(worker: Worker): unknown;
  onConnect?(id: string): unknown;
  /** Before the 101. */
  onWebSocketConnect?(id: string, request: Request): unknown;
  onMessage?(id: string, message: MessageData): unknown;
  /** The session is still there. */
  onClose?(id: string): unknown;
}

/** Looks at the silence of a client in half of a pingInterval. */
const LOOKS_PER_INTERVAL = 2;

export class GatewayWorker extends Worker {
  events: GatewayEvents = {};
  /** Seconds between two pings; 0: none. */
  pingInterval = 0;
  /** Intervals without a word of the client after which it is dropped; 0: never. */
  pingNotResponseLimit = 0;
  /** Sent as a message each interval; empty: nothing. */
  pingData = '';
  /** Bytes that one client may owe. */
  sendToClientBufferSize = 1_024_000;
  #pingTimer = 0;

  constructor(socketName: string, context: WorkerContext = {}) {
    super(socketName, context);
    this.onConnect = (connection) => this.#connected(connection);
    this.onWebSocketConnect = (connection, request) =>
      this.#within(connection, ({ id }) => this.events.onWebSocketConnect?.(id, request));
    this.onWebSocketConnected = (connection) => {
      const client = gatewayClients.of(connection);
      if (client !== undefined) gatewayClients.subscribe(client);
    };
    this.onMessage = (connection, data) =>
      this.#within(connection, ({ id }) => this.events.onMessage?.(id, data));
    this.onWebSocketPong = (connection) => this.#within(connection, () => undefined);
    this.onClose = (connection) => this.#closed(connection);
    this.onWorkerStart = (worker) => this.#started(worker);
    this.onWorkerStop = (worker) => {
      Timer.del(this.#pingTimer);
      return this.events.onWorkerStop?.(worker);
    };
  }

  override joinProcesses(role: WorkerRole): Promise<void> {
    this.publishBufferSize = this.sendToClientBufferSize;
    return gatewayClients.share(role);
  }

  override listen(autoAccept = true): void {
    this.publishBufferSize = this.sendToClientBufferSize;
    super.listen(autoAccept);
  }

  #started(worker: Worker): unknown {
    if (this.pingInterval > 0) {
      const seconds = this.pingInterval / LOOKS_PER_INTERVAL;
      this.#pingTimer = Timer.repeat(seconds, () => this.#ping());
    }
    return this.events.onWorkerStart?.(worker);
  }

  #connected(connection: TcpConnection): unknown {
    connection.maxSendBufferSize = this.sendToClientBufferSize;
    gatewayClients.add(connection);
    return this.#within(connection, ({ id }) => this.events.onConnect?.(id));
  }

  #closed(connection: TcpConnection): void {
    const client = gatewayClients.of(connection);
    if (client === undefined) return;
    try {
      this.#within(connection, ({ id }) => this.events.onClose?.(id));
    } finally {
      gatewayClients.remove(client);
    }
  }

  /** Handles an event of a client, which was heard with it. */
  #within(connection: TcpConnection, handle: (client: Client) => unknown): unknown {
    const client = gatewayClients.of(connection);
    if (client === undefined) return undefined;
    client.silentLooks = 0;
    return currentClient.run(client, handle, client);
  }

  #ping(): void {
    for (const connection of [...this.connections.values()]) {
      const client = gatewayClients.of(connection);
      if (client !== undefined) this.#look(client);
    }
  }

  #look(client: Client): void {
    const limit = this.pingNotResponseLimit * LOOKS_PER_INTERVAL;
    if (limit > 0 && client.silentLooks >= limit) {
      client.connection?.destroy();
      return;
    }
    if (this.pingData !== '' && client.silentLooks % LOOKS_PER_INTERVAL === 0) {
      client.connection?.send(this.pingData);
    }
    client.silentLooks++;
  }
}
