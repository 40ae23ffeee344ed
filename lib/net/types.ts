// The seam between bytes and protocols. Rooms above `net` are written against these interfaces and
// tested with test/support/memory-transport.ts; lib/net implements them on the native engine.

import type { TlsInfo } from './tls-info.ts';
import type { TlsOptions } from './tls-options.ts';

/**
 * What a connection's protocol must answer to. One object per connection, set by the listener's
 * owner.
 */
export interface ConnectionOwner {
  /**
   * Bytes arrived in `slab[start, end)`. They are borrowed: valid during the call only, poisoned after
   * it in tests. The owner may unmask them in place. Everything is consumed or copied by the owner.
   */
  onData(connection: Connection, slab: Buffer, start: number, end: number): void;
  /** The peer sent FIN: no more data will come; writing is still possible. */
  onEnd(connection: Connection): void;
  /**
   * Pending bytes fell below the low-water mark after having been at or above the high-water
   * mark.
   */
  onDrain(connection: Connection): void;
  /** The deadline set by setDeadline passed. The deadline is off again. */
  onDeadline(connection: Connection): void;
  /**
   * The connection is gone. Always the last call, exactly once. @param errno 0 or a negative
   * errno.
   */
  onClose(connection: Connection, errno: number): void;
  /**
   * One of the callbacks above threw (or its promise, if it returned one, rejected). Must not
   * throw.
   */
  onFailure(connection: Connection, error: unknown): void;
}

/** Something that a connection holds until it is gone: a place in a limit. */
export interface ConnectionLease {
  /** Idempotent; must not throw. */
  release(): void;
}

/**
 * One TCP or Unix stream connection. Every method may be called at any time; after close the ones that return a
 * number return -EBADF and the others do nothing.
 */
export interface Connection {
  /** generation * 2^20 + slot: never repeats in its loop's life; other loops give the same ids. */
  readonly id: number;
  owner: ConnectionOwner;
  /** Released when the connection is gone, whoever owns it then. */
  lease: ConnectionLease | undefined;
  /** Numeric; empty for the peer of a Unix socket. */
  readonly remoteAddress: string;
  /** 0 for the peer of a Unix socket. */
  readonly remotePort: number;
  readonly isOpen: boolean;
  /**
   * Accepted and not yet taken by the kernel: what is queued natively plus what this tick has not
   * flushed.
   */
  readonly pendingBytes: number;
  /** Accepted and never taken by the kernel: known in onClose and after it, 0 before. */
  readonly unsentBytes: number;

  /** Copies the bytes into the send slab. @returns pendingBytes after it, or a negative errno. */
  write(bytes: Uint8Array): number;
  /** Same for text whose characters are all below U+0100 (headers, ASCII JSON). */
  writeLatin1(text: string): number;
  /** Same, encoded as UTF-8. */
  writeUtf8(text: string): number;
  /**
   * Zero-copy writing: reserves `length` contiguous bytes in the send slab and returns where they
   * start in `loop.sendSlab`, or a negative errno. The bytes must be filled and then commit()ed, with
   * a length not above the reserved one, before anything else is written through the loop.
   */
  reserve(length: number): number;
  commit(length: number): number;

  /** Where onDrain comes for this connection; until then where the engine's constants say. */
  setMarks(highWaterBytes: number, lowWaterBytes: number): void;
  /** Asks for an onDrain once pending bytes are below the low mark, whatever they were before. */
  noticeDrain(): void;
  /** While true, audiences report this connection as skipped instead of sending to it. */
  hold(isHeld: boolean): void;
  /**
   * Bytes that the kernel has taken and given so far; zeros after onClose. One crossing: not for hot
   * paths.
   */
  readCounters(): ByteCounters;
  /** What the kernel knows of the socket; undefined after onClose. One crossing: not for hot paths. */
  info(): ConnectionInfo | undefined;

  /** Encrypted, and its handshake complete. */
  readonly isSecure: boolean;
  /**
   * What was agreed on; undefined for a plain connection, and after close unless it was asked for
   * before. Made at the first call, which crosses: not for hot paths.
   */
  tlsInfo(): TlsInfo | undefined;

  /** Stops reading; the kernel's buffer then holds the peer back. */
  pause(): void;
  resume(): void;
  /**
   * One coarse timer per connection (native wheel). 0 switches it off; a new call replaces it.
   * Cheap: no crossing.
   */
  setDeadline(ms: number): void;
  /** Sends what is pending, then FIN. Reading goes on. */
  end(): void;
  /** Sends what is pending, FIN, discards input for a bounded while (RFC 9112 9.6), then closes. */
  close(): void;
  /** Drops what is pending and closes at once with RST. */
  reset(): void;
}

export interface ByteCounters {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /**
   * What the peer's side has, of what was sent: it moves on as long as the peer takes bytes, however
   * full the queues are. 0 in onClose. Of a Unix socket it is what the peer has read, at least.
   */
  readonly takenBytes: number;
}

/** @see tcp(7), socket(7), unix(7) */
export interface ConnectionInfo extends ByteCounters {
  readonly transport: 'tcp' | 'unix';
  /** Numeric, or the path of a Unix socket. */
  readonly localAddress: string;
  /** 0 for a Unix socket. */
  readonly localPort: number;
  /** Of the socket itself, whatever a proxy says; empty for a Unix socket. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** The processor that handled the last packet, if the kernel says so. */
  readonly incomingCpu: number | undefined;
  /** Undefined for a Unix socket. */
  readonly tcp: TcpInfo | undefined;
  /** The process at the other end of a Unix socket, when it connected. */
  readonly peer: { readonly pid: number; readonly uid: number; readonly gid: number } | undefined;
}

/** From TCP_INFO. */
export interface TcpInfo {
  /** Smoothed round trip, in microseconds. */
  readonly rttUs: number;
  readonly rttVarianceUs: number;
  /** Segments sent again since the connection began. */
  readonly retransmits: number;
  /** Segments sent and not acknowledged. */
  readonly unacknowledged: number;
  /** In segments. */
  readonly congestionWindow: number;
  /** In the kernel's send buffer, and not on the wire yet. */
  readonly notSentBytes: number;
}

/**
 * A set of connections that the same bytes go to: written once, one record, no copy per
 * connection.
 */
export interface Audience {
  readonly size: number;
  /** Members that owed the audience's high mark or more after a write(), over all its writes. */
  readonly queuedCount: number;
  add(connection: Connection): void;
  remove(connection: Connection): void;
  has(connection: Connection): boolean;
  /**
   * Sends `bytes` to every member whose pendingBytes are below `pendingBytesMax`; the others are
   * skipped and reported to `skipped`, which may remove them. @param except a member that is
   * neither sent to nor reported. @returns how many it was sent to.
   */
  write(
    bytes: Uint8Array,
    pendingBytesMax: number,
    skipped?: (connection: Connection) => void,
    except?: Connection,
  ): number;
}

/** Something that wants a turn before the bytes of this tick leave. */
export interface TickTask {
  run(): void;
}

/** Where to listen: `port`, `path` or `fd`, one of them. */
export interface ListenOptions {
  /** Default '0.0.0.0'; '::' listens on IPv6 (and IPv4-mapped). */
  readonly host?: string;
  /** 0 lets the kernel choose. */
  readonly port?: number;
  /**
   * A Unix stream socket: a path of 1..107 bytes, or an abstract name behind a zero character. The
   * file of a dead server is replaced, ours is unlinked at close (unix(7)).
   */
  readonly path?: string;
  /** Permission bits of the socket file, 0..0o777. Default: what the umask leaves. */
  readonly mode?: number;
  /** A descriptor that listens already, as a service manager passes it; the loop owns it from now on. */
  readonly fd?: number;
  /** With `fd`: EPOLLEXCLUSIVE, for a socket that other processes poll, too (epoll_ctl(2)). */
  readonly exclusive?: boolean;
  /** Encrypts every connection: https and wss. */
  readonly tls?: TlsOptions;
  /**
   * TCP: how many bytes the kernel may hold that it has not sent yet, 4,096..2^30. Less memory for
   * slow peers, and a later say in what they get; default: as many as its buffer takes (tcp(7),
   * TCP_NOTSENT_LOWAT).
   */
  readonly notSentBytesMax?: number;
  /**
   * TCP: how long what was sent may stay unacknowledged before the peer is given up, 1..2^31-1;
   * default: the kernel's, about 15 minutes (tcp(7), TCP_USER_TIMEOUT).
   */
  readonly userTimeoutMs?: number;
  /**
   * TCP: after this much silence, 1..32,767 s, the kernel asks whether the peer is still there, three
   * times, as far apart; default: never (tcp(7), TCP_KEEPIDLE).
   */
  readonly keepAliveSeconds?: number;
  /** 1..65,535, default 4,096; the kernel bounds it by net.core.somaxconn. Not for `fd`. */
  readonly backlog?: number;
}

export interface AdoptOptions {
  /** Bytes that were read from it already, up to 1 MiB: the first that the owner gets. Copied. */
  readonly head?: Uint8Array;
  /** Adopt a duplicate and leave `fd` to the caller. Default false. */
  readonly duplicate?: boolean;
  /** Default: what the kernel says. */
  readonly remoteAddress?: string;
  readonly remotePort?: number;
}

/** What a loop is told besides. */
export interface LoopListenOptions extends ListenOptions {
  /**
   * Each connection begins with a PROXY header (version 1 or 2) that names its client; it is announced
   * after that, with the client's address. Others than these proxies are reset. Encoded by
   * AddressSet.encode().
   */
  readonly proxies?: Uint8Array;
}

/** Connections that a loop's listeners have reset before anybody heard of them. */
export interface RefusalCounters {
  /** The listener's gate refuses the client's address. */
  readonly denied: number;
  /** The peer is none of the listener's proxies. */
  readonly untrusted: number;
  /** The PROXY header was malformed or cut off. */
  readonly malformed: number;
  /** The PROXY header did not come in time. */
  readonly late: number;
}

/**
 * Whom a listener takes in, by the client's address, before anything is read of him. Sets of blocks as
 * AddressSet.encode() makes them. Clients without an address (Unix sockets) are always taken in.
 */
export interface AddressGate {
  /** Proxies: who comes through them is judged by what they forward. */
  readonly exempt: Uint8Array;
  readonly denied: Uint8Array;
  /** When given, everybody else is refused. */
  readonly allowed?: Uint8Array;
}

export interface Listener {
  /** Its connections are encrypted. */
  readonly isSecure: boolean;
  /** Numeric; empty for a Unix socket. */
  readonly host: string;
  /** 0 for a Unix socket. */
  readonly port: number;
  /** Of a Unix socket, else undefined. */
  readonly path: string | undefined;
  /**
   * Replaces everything about TLS for handshakes to come; what is connected stays as it is, and
   * tickets stay good unless the rules for client certificates change.
   * @throws SluiceError as listen(), and then nothing has changed; ERR_STATE without `tls`
   */
  setTls(options: TlsOptions): void;
  /**
   * Whom it takes in from now on; whom it took in before stays.
   * @throws SluiceError ERR_ARG_RANGE for what is not encoded so, or more than 100,000 blocks
   */
  guard(gate: AddressGate): void;
  /** Stops accepting; accepted connections live on. */
  close(): void;
}

/** What a loop has done so far, and owes now. Plain numbers, read without a crossing. */
export interface LoopStats {
  /** Batches of events that were delivered. */
  readonly batches: number;
  readonly flushes: number;
  /** send(2) and sendmsg(2) calls; wraps at 2^32. */
  readonly sendCalls: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Of all connections: what the kernel did not take yet. */
  readonly queuedBytes: number;
  /** The most that this was. */
  readonly queuedBytesMax: number;
  /** Connections that owe any of them. */
  readonly queuedConnections: number;
}

/** TLS handshakes so far. One that does not end well never reaches a handler. */
export interface TlsCounts {
  readonly completed: number;
  readonly failed: number;
  readonly timedOut: number;
  /** Reset so that others find a place: silent ones, and those beyond their address's share. */
  readonly crowded: number;
}

export interface Loop {
  /** One crossing. */
  tlsCounts(): TlsCounts;
  readonly stats: LoopStats;
  /** stats.queuedBytes and stats.queuedConnections, for those who ask often. */
  readonly queuedBytes: number;
  readonly queuedConnections: number;
  /** The slab that reserve() hands out ranges of. */
  readonly sendSlab: Buffer;
  /**
   * @param accept called once per accepted connection; returns its owner
   * @throws SluiceError ERR_ARG_RANGE for options out of range, ERR_DESCRIPTOR for an `fd` that is
   * not a listening stream socket, ERR_TLS_… for certificates, keys and settings of `tls` that
   * cannot be used, ERR_CODEC_MISSING where there is no TLS, ERR_SYSTEM with errno (EADDRINUSE, EACCES, …)
   */
  listen(options: LoopListenOptions, accept: (connection: Connection) => ConnectionOwner): Listener;
  /**
   * Makes a socket that somebody else has connected, and perhaps read from, a connection of this loop.
   * It becomes non-blocking, and with it every duplicate of the descriptor: with `duplicate`, the other
   * owner must stop using his before anything is written here, and may then close it.
   * @param fd a connected TCP or Unix stream socket; the loop owns it, or a duplicate, from now on
   * @param accept called at once; returns the owner
   * @throws SluiceError ERR_DESCRIPTOR when it is closed, no stream socket, listening, not connected or
   * adopted already; ERR_ARG_RANGE for a longer head; ERR_SYSTEM; then `fd` stays the caller's
   */
  adopt(
    fd: number,
    options: AdoptOptions,
    accept: (connection: Connection) => ConnectionOwner,
  ): Connection;
  /** One crossing: not for hot paths. */
  refusalCounters(): RefusalCounters;
  /** @param highWaterBytes what queuedCount counts by; default: never */
  audience(highWaterBytes?: number): Audience;
  /**
   * Runs `task` once before this tick's bytes are flushed: in the same crossing when the loop is
   * delivering, in a crossing of its own otherwise. For work that turns many small sends into one
   * write (WebSocket runs).
   */
  beforeFlush(task: TickTask): void;
  /**
   * Runs `task` once after the batch's handlers and their microtasks, before the flush: the journal's
   * group commit. What its promises' continuations write leaves in the same flush. At most two rounds
   * per tick, later ones run in the next.
   */
  commitSoon(task: TickTask): void;
  /** Closes listeners and connections, flushes, and releases the native loop. */
  close(): Promise<void>;
}
