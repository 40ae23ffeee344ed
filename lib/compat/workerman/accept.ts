// A socket of the engine becomes a TcpConnection with the link of its worker's protocol.

import type { Connection, ConnectionOwner } from '../../net/types.ts';
import { HTTP_LIMITS, type HttpLimits } from '../../server/http/http-application.ts';
import { HttpLink } from './http-link.ts';
import type { Link } from './link.ts';
import { master } from './master.ts';
import { processLog } from './process-log.ts';
import { Http, type StreamProtocol, Websocket } from './protocols.ts';
import { StreamLink } from './stream-link.ts';
import { type ConnectionHost, TcpConnection } from './tcp-connection.ts';
import { WebSocketLink } from './websocket-link.ts';
import type { Worker } from './worker.ts';

/** A request's bodyBytesMax is its connection's maxPackageSize. */
const LIMITS: HttpLimits = HTTP_LIMITS;

const HOST: ConnectionHost = {
  flush: () => master.ground.loop.flush(),
  report: (error) => processLog.report(error),
  sendFailed: () => {
    master.sendFails++;
  },
};

export function acceptFor(worker: Worker, connection: Connection): ConnectionOwner {
  const { protocol } = worker;
  const tcp = new TcpConnection(worker, connection, HOST, protocol);
  if (protocol === Http) {
    const link = new HttpLink(connection, tcp, LIMITS);
    return begin(connection, tcp, link, link.http);
  }
  if (protocol === Websocket) {
    const ground = {
      limits: LIMITS,
      port: master.ground.webSockets,
      queue: worker.publishBufferSize,
    };
    const link = new WebSocketLink(connection, tcp, ground);
    return begin(connection, tcp, link, link.http);
  }
  const link = new StreamLink(connection, tcp, protocol as StreamProtocol | undefined);
  return begin(connection, tcp, link, link);
}

/** @returns the owner that onConnect has left: end() puts another one in its place */
function begin(
  connection: Connection,
  tcp: TcpConnection,
  link: Link,
  owner: ConnectionOwner,
): ConnectionOwner {
  connection.owner = owner;
  tcp.begin(link);
  return connection.owner;
}
