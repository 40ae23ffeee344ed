// What the handshake of a WebSocket has settled, on its way to the connection that is made of it.

import type { Connection } from '../../net/types.ts';
import type { MessageDeflater } from '../../websocket/message-deflater.ts';
import type { MessageInflater } from '../../websocket/message-inflater.ts';
import type { ServerRequest } from '../types.ts';

export interface AcceptedUpgrade {
  readonly connection: Connection;
  readonly request: ServerRequest;
  readonly protocol: string;
  readonly data: unknown;
  /** What was agreed on; undefined: messages go uncompressed. */
  readonly compression?: Compression | undefined;
}

/** The two halves of permessage-deflate, without memory as long as there is no message. */
export interface Compression {
  /** The value of Sec-WebSocket-Extensions. */
  readonly answer: string;
  readonly deflater: MessageDeflater;
  readonly inflater: MessageInflater;
}
