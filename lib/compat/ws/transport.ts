// What the facade needs of whatever carries its bytes: lib/net's Connection, and two wishes more.

import type { Connection, ConnectionOwner } from '../../net/types.ts';
import type { DeflateStreams } from '../../websocket/deflate-streams.ts';
import type { FrameEncoder } from '../../websocket/frame-encoder.ts';
import type { Unmasker } from '../../websocket/unmask.ts';
import type { Acknowledgements } from './acknowledgements.ts';
import type { PayloadCopies } from './payload-copies.ts';

export interface Transport extends Connection {
  /** Hands what was written to the kernel now instead of at the end of the tick. */
  flush(): void;
  /** One attempt to send what is pending, then the end: destroy() of a Node socket. */
  drop(): void;
}

/** What the sockets of one carrier share. */
export interface Carrier {
  /** Writes into the range that Transport.reserve() hands out. */
  readonly encoder: FrameEncoder;
  readonly unmasker: Unmasker;
  readonly copies: PayloadCopies;
  readonly acknowledgements: Acknowledgements;
  /**
   * Made when it is first asked for.
   * @throws SluiceError ERR_CODEC_MISSING
   */
  readonly deflate: DeflateStreams;
}

/** A transport that was made for one socket. */
export interface Taken {
  readonly transport: Transport;
  readonly carrier: Carrier;
  /** Sends the answer to the handshake; from now on bytes go to `owner`. */
  start(answer: string, owner: ConnectionOwner): void;
  /** To be called when the transport is gone. */
  release(): void;
}
