// What all sockets of a thread stand on: one engine loop with its carrier, made when the first socket needs
// it, and the carrier of those sockets that stay on Node's streams. The loop keeps the process alive only
// while it has connections or listeners.

import type { Duplex } from 'node:stream';
import { nativeFrames } from '../../native/bytes.ts';
import { loadCodec } from '../../native/load-codec.ts';
import { createLoop, type EventLoop } from '../../net/event-loop.ts';
import type { ConnectionOwner } from '../../net/types.ts';
import { DeflateStreams } from '../../websocket/deflate-streams.ts';
import { FrameEncoder } from '../../websocket/frame-encoder.ts';
import { Unmasker } from '../../websocket/unmask.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { PayloadCopies } from './payload-copies.ts';
import { STREAM_SLAB_BYTES, StreamConnection } from './stream-connection.ts';
import type { Carrier } from './transport.ts';

function carrierOn(slab: Buffer, flush: () => void): Carrier {
  const unmasker = new Unmasker(nativeFrames);
  let deflate: DeflateStreams | undefined;
  return {
    encoder: new FrameEncoder(slab),
    unmasker,
    copies: new PayloadCopies(unmasker.copies),
    acknowledgements: new Acknowledgements(flush),
    get deflate() {
      deflate ??= new DeflateStreams(loadCodec().deflate, slab);
      return deflate;
    },
  };
}

/** The engine's half. */
export class EngineGround {
  readonly loop: EventLoop = createLoop();
  readonly carrier = carrierOn(this.loop.sendSlab, () => this.loop.flush());
}

/** Node's half. */
export class StreamGround {
  readonly #slab = Buffer.allocUnsafeSlow(STREAM_SLAB_BYTES);
  #lastId = 0;
  // Streams write by themselves at the end of the tick.
  readonly carrier = carrierOn(this.#slab, () => undefined);

  connect(stream: Duplex, owner: ConnectionOwner): StreamConnection {
    return new StreamConnection(stream, this.#slab, ++this.#lastId, owner);
  }
}

let engine: EngineGround | undefined;
let streams: StreamGround | undefined;

export function engineGround(): EngineGround {
  engine ??= new EngineGround();
  return engine;
}

export function streamGround(): StreamGround {
  streams ??= new StreamGround();
  return streams;
}
