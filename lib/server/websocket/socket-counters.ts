// What the WebSockets of a server have done so far. Plain numbers that their owners add to; those that
// are counted per message are kept by each connection and added here when it is gone.

export class SocketCounters {
  /** Upgrade requests for a route; those that were not accepted were refused, or are being decided. */
  handshakes = 0;
  handshakesAccepted = 0;
  closedByUs = 0;
  closedByPeer = 0;
  closedByError = 0;
  /** Both of connections that are gone. */
  messagesReceived = 0;
  messagesSent = 0;
  pingsReceived = 0;
  pongsReceived = 0;
  /** Sends that were not accepted because of a full queue, publishes included. */
  dropped = 0;
  /** Messages that a newer one with the same key took the place of. */
  superseded = 0;
  slowCloses = 0;
  publishes = 0;
  /** Subscribers that a publish was written to. */
  delivered = 0;
  /** Of these who then owed the high mark or more, and others for whom it is kept. */
  queued = 0;
}
