// The facts about one socket, put together when somebody asks.

import type { SocketInfo } from './flow-types.ts';
import type { WebSocketConnection } from './websocket-connection.ts';

export function infoOf(link: WebSocketConnection): SocketInfo {
  const { connection, socket } = link;
  const known = connection.info();
  const { sentBytes, receivedBytes } = known ?? connection.readCounters();
  return {
    transport: known?.transport ?? 'tcp',
    localAddress: known?.localAddress ?? '',
    localPort: known?.localPort ?? 0,
    rttUs: known?.tcp?.rttUs,
    remoteAddress: connection.remoteAddress,
    remotePort: connection.remotePort,
    protocol: socket.protocol,
    extensions: socket.extensions,
    bytesReceived: receivedBytes,
    bytesSent: sentBytes,
    messagesReceived: link.messagesReceived,
    messagesSent: link.messagesSent,
    queueBytes: link.pendingBytes,
    openedAt: link.openedAt,
    topicCount: link.topics.size,
    isPaused: link.session.isPaused,
    tls: connection.tlsInfo(),
  };
}
