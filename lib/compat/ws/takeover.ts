// From the socket of an upgrade request to a transport: the engine takes the descriptor of a plain TCP or
// Unix socket of Node's; anything else (TLS, streams of other kinds) stays what it is and is wrapped.
//
// The engine gets a duplicate, and Node's own descriptor is closed, so that there is one per connection.
// What remains of the socket answers for its addresses, keeps its HTTP server from closing, and ends with
// the connection, as with `ws`; who destroys it destroys the connection.

import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { isSluiceError } from '../../base/errors.ts';
import type { SocketConnection } from '../../net/connection.ts';
import type { ConnectionOwner } from '../../net/types.ts';
import { engineGround, streamGround } from './ground.ts';
import type { Taken } from './transport.ts';
import { UpgradeSocket } from './upgrade-socket.ts';

/** The parts of a socket's handle (net.Socket._handle) that are used. */
interface Handle {
  readonly fd?: number;
  close(): void;
}

type SocketWithHandle = Socket & { _handle: Handle | null };

const ignore = (): void => undefined;

/** Owns a transport until its link is there. */
const UNOWNED: ConnectionOwner = {
  onData: ignore,
  onEnd: ignore,
  onDrain: ignore,
  onDeadline: ignore,
  onClose: ignore,
  onFailure: ignore,
};

/** @param head bytes of the client that Node has read behind the request */
export function takeOver(stream: Duplex, head: Buffer): Taken {
  if (stream instanceof UpgradeSocket) return takeOwn(stream);
  return takeDescriptor(stream, head) ?? wrap(stream, head);
}

/** A connection that is the engine's already. */
function takeOwn(socket: UpgradeSocket): Taken {
  return {
    transport: socket.connection,
    carrier: engineGround().carrier,
    start: (answer, owner) => socket.handOver(answer, owner),
    release: () => socket.destroy(),
  };
}

function wrap(stream: Duplex, head: Buffer): Taken {
  const ground = streamGround();
  if (stream instanceof Socket) prepare(stream);
  const transport = ground.connect(stream, UNOWNED);
  const start = (answer: string, owner: ConnectionOwner): void => {
    transport.owner = owner;
    transport.writeUtf8(answer);
    transport.start(head);
  };
  return { transport, carrier: ground.carrier, start, release: ignore };
}

function prepare(socket: Socket): void {
  socket.setTimeout(0);
  socket.setNoDelay();
}

/** @returns undefined when the engine cannot have it */
function takeDescriptor(stream: Duplex, head: Buffer): Taken | undefined {
  const handle = plainHandleOf(stream);
  if (handle === undefined) return undefined;
  const socket = stream as SocketWithHandle;
  prepare(socket);
  const bytes = Buffer.concat([head, ...readBuffered(socket)]);
  const transport = adopt(socket, handle, bytes);
  if (transport === undefined) return wrap(stream, bytes);
  // Read once, the addresses are remembered without the descriptor.
  void socket.localAddress;
  socket._handle = null;
  handle.close();
  socket.once('finish', () => transport.end());
  socket.once('close', () => transport.drop());
  const { carrier } = engineGround();
  const start = (answer: string, owner: ConnectionOwner): void => {
    transport.owner = owner;
    transport.writeUtf8(answer);
  };
  return { transport, carrier, start, release: () => socket.destroy() };
}

function adopt(socket: Socket, handle: Handle, head: Buffer): SocketConnection | undefined {
  const { remoteAddress = '', remotePort = 0 } = socket;
  const options = { head, duplicate: true, remoteAddress, remotePort };
  try {
    return engineGround().loop.adopt(handle.fd ?? -1, options, () => UNOWNED);
  } catch (error) {
    if (!isSluiceError(error) || error.code === 'ERR_NATIVE_MISSING') throw error;
    return undefined;
  }
}

/** The handle of a socket with nothing between it and the kernel, and nothing on its way out. */
function plainHandleOf(stream: Duplex): Handle | undefined {
  if (!(stream instanceof Socket) || stream instanceof TLSSocket) return undefined;
  const handle = (stream as SocketWithHandle)._handle;
  const isTaken = handle === null || typeof handle?.fd !== 'number' || handle.fd < 0;
  return isTaken || stream.writableLength > 0 || stream.connecting ? undefined : handle;
}

/** What Node has read behind the head. */
function readBuffered(socket: Socket): Buffer[] {
  const pieces: Buffer[] = [];
  for (let piece = socket.read(); piece !== null; piece = socket.read()) pieces.push(piece);
  return pieces;
}
