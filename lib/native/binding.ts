// The typed contract of the addon: what crosses, in which form. Only lib/net and the functions of
// bytes.ts use it.

/** What the engine calls, once per crossing; `kind` is one of CALL_… of layout.ts. */
export interface LoopHandler {
  dispatch(kind: number): void;
  /**
   * Overwrite the receive slab after each batch, so that late use of borrowed bytes fails loudly.
   */
  readonly poison: boolean;
}

/** What getsockname, getpeername, TCP_INFO, SO_INCOMING_CPU and SO_PEERCRED say; all numbers plain. */
export interface NativeConnectionInfo {
  readonly isUnix: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** -1 where it is not known. */
  readonly incomingCpu: number;
  readonly rttUs: number;
  readonly rttVarianceUs: number;
  readonly retransmits: number;
  readonly unacknowledged: number;
  readonly congestionWindow: number;
  readonly notSentBytes: number;
  /** 0 where it is not known; the ids are -1 then. */
  readonly peerPid: number;
  readonly peerUid: number;
  readonly peerGid: number;
}

/** The engine's loop. Results are a non-negative integer or a negative errno. */
export interface NativeLoop {
  /** @param host numeric address @returns the listener's index */
  listen(host: string, port: number, backlog: number): number;
  /** @param path UTF-8, or an abstract name behind a zero byte @param mode -1 leaves it to umask */
  listenPath(path: Uint8Array, mode: number, backlog: number): number;
  /** On success the descriptor is the loop's. @param exclusive EPOLLEXCLUSIVE */
  listenDescriptor(fd: number, exclusive: boolean): number;
  /** What accepted sockets inherit; 0 leaves the kernel's default. @returns 0 or a negative errno */
  tuneListener(index: number, notSentLow: number, userTimeoutMs: number, keepAlive: number): number;
  /** The numeric host or the path; a number is a negative errno. */
  listenerName(index: number): string | number;
  /** 0 for a Unix socket. */
  listenerPort(index: number): number;
  closeListener(index: number): void;
  /** @param head delivered first, as data @returns generation * 2^20 + slot, or a negative errno */
  adopt(fd: number, duplicate: boolean, head: Uint8Array): number;
  /** A number is a negative errno. */
  connectionInfo(slot: number, generation: number): NativeConnectionInfo | number;
  /**
   * From now on the listener takes connections of `blocks` alone, and each announces its client in a
   * PROXY header. @param blocks 17 bytes each: bits, IPv6 address @returns 0 or a negative errno
   */
  requireProxyHeader(index: number, blocks: Uint8Array): number;
  /**
   * Who is refused from now on is reset before anything is read. @param exempt, denied, allowed blocks
   * as above @returns 0 or a negative errno
   */
  guardListener(
    index: number,
    exempt: Uint8Array,
    denied: Uint8Array,
    namesAllowed: boolean,
    allowed: Uint8Array,
  ): number;
  /** Connections that were reset without being announced: denied, of no proxy, malformed header, late. */
  refusalCounters(): [denied: number, untrusted: number, malformed: number, late: number];
  /** Sends what the send records say and resets their cursors. */
  flush(): void;
  /** Listeners plus connections whose close was not delivered yet. */
  openCount(): number;
  /** Puts a connection's bytes so far into the header. @returns false when it is gone */
  readCounters(slot: number, generation: number): boolean;
  /** Encrypts what a listener accepts from now on; see native/core/event_loop.h. */
  secureListener(
    index: number,
    context: NativeTlsContext,
    handshakeTimeoutMs: number,
    handshakesMax: number,
  ): number;
  /** null for a connection that is gone or not encrypted. */
  secureInfo(slot: number, generation: number): NativeSecureInfo | null;
  secureCounts(): NativeSecureCounts;
  /** Releases everything; dispatch(CALL_CLOSED) is the last call. */
  close(): void;
}

/** What was agreed on in a handshake. Texts are empty when there is nothing to say. */
export interface NativeSecureInfo {
  readonly protocol: string;
  readonly cipher: string;
  readonly applicationProtocol: string;
  readonly serverName: string;
  readonly resumed: boolean;
  /** The client's certificate leads to one of the authorities. */
  readonly authorized: boolean;
  readonly reason: string;
  /** The client's certificate as DER. */
  readonly certificate?: Buffer;
}

/** Handshakes of a loop so far, by how they ended. */
export interface NativeSecureCounts {
  readonly completed: number;
  readonly failed: number;
  readonly timedOut: number;
  readonly crowded: number;
}

/** An epoll instance for other descriptors. Results are 0 or a negative errno. */
export interface NativePoller {
  /** @param token named in the records when it is ready, 1..2^31-1 */
  add(fd: number, events: number, token: number): number;
  modify(fd: number, events: number, token: number): number;
  remove(fd: number): void;
  /** Whether Node's loop waits for it. */
  keepAlive(yes: boolean): void;
  /** dispatch is not called any more. */
  close(): void;
}

export interface NativeHmacKey {
  verify(bytes: Uint8Array, start: number, end: number, expectedHex: string): boolean;
}

export interface LiveObjects {
  readonly loops: number;
  readonly connections: number;
  /** Of write queues: bytes that the kernel did not take. */
  readonly blocks: number;
  readonly hmacKeys: number;
}

export interface NativeBinding {
  readonly layout: Readonly<Record<string, number>>;
  readonly errorNames: Readonly<Record<string, number>>;
  readonly NativeLoop: new (
    receiveSlab: Buffer,
    sendSlab: Buffer,
    header: Int32Array,
    receiveRecords: Int32Array,
    sendRecords: Int32Array,
    fanoutSlots: Int32Array,
    pending: Int32Array,
    handler: LoopHandler,
  ) => NativeLoop;
  readonly NativePoller: new (
    records: Int32Array,
    handler: { dispatch(count: number): void },
  ) => NativePoller;
  readonly HmacKey: new (secret: Uint8Array) => NativeHmacKey;
  unmask(bytes: Uint8Array, start: number, end: number, mask: number): boolean;
  /** @returns bytes of the simple frames that bytes[start, end) begins with; they are unmasked */
  scanFrames(bytes: Uint8Array, start: number, end: number): number;
  /** @returns bytes read into bytes[start, end) from the page cache, or a negative errno */
  readCached(
    bytes: Uint8Array,
    start: number,
    end: number,
    fd: number,
    positionHigh: number,
    positionLow: number,
  ): number;
  /** Native objects of this thread that are not freed yet. For tests and metrics. */
  liveObjects(): LiveObjects;
  keepFreedMemory(): void;
  /** @returns a descriptor that listens with SO_REUSEPORT and that nobody polls, or -errno */
  openListener(host: string, port: number, backlog: number): number;
  /** The same for a Unix socket. The caller unlinks its file. */
  openPathListener(path: Uint8Array, mode: number, backlog: number): number;
  /** @returns the port that a socket is bound to; 0 for a Unix socket */
  descriptorPort(fd: number): number;
  /** @returns a close-on-exec duplicate, or -errno */
  duplicateDescriptor(fd: number): number;
  /** @returns a descriptor whose lock ends with the process; -EAGAIN when another has it */
  openLocked(path: Uint8Array): number;
  /** @returns the descriptor of a connected Unix stream socket, or -errno */
  connectPath(path: Uint8Array): number;
  /** @returns the pid of a child that had ended, 0 when it lives, or -errno */
  reapChild(pid: number): number;
  /** Makes a descriptor that listens ours. @returns 0, or -errno for one that does not listen */
  prepareListener(fd: number): number;
  /** @returns what a socket is bound to: numeric, or a path; or -errno */
  descriptorAddress(fd: number): string | number;
  /** One datagram to a Unix socket, at once or not at all. @returns 0 or -errno */
  sendDatagram(path: Uint8Array, text: Uint8Array): number;
  /** @returns a descriptor that is readable once the process has ended, or -errno */
  openProcess(pid: number): number;
  /** @returns a child's exit code, or 256 + the signal that ended it; -EAGAIN when it lives */
  waitProcess(fd: number): number;
  /**
   * Runs another program in this process. Texts each end with a zero byte; of the descriptors above 2 it
   * gets those of `kept`. @returns -errno, or never
   */
  replaceProgram(
    file: Uint8Array,
    arguments_: Uint8Array,
    environment: Uint8Array,
    kept: Int32Array,
  ): number;
  /** Those of `names` that the running program does not export, as dlsym(3) sees it. */
  missingSymbols(names: readonly string[]): string[];
}

/** Certificates and settings for a listener. Its methods throw ERR_TLS_… with OpenSSL's reason. */
export interface NativeTlsContext {
  /** @param name of the server; empty: the default, which comes first */
  addIdentity(name: Uint8Array, chain: Uint8Array, key: Uint8Array, passphrase: Uint8Array): void;
}

/** The second addon: what stands on the zlib and OpenSSL that Node exports. */
export interface CodecBinding {
  readonly zlibVersion: string;
  readonly deflate: NativeDeflate;
  readonly TlsContext: new (
    clientCertificate: number,
    versionMin: number,
    versionMax: number,
    ciphers: Uint8Array,
    suites: Uint8Array,
    ticketLifetimeS: number,
    authorities: Uint8Array,
    before: NativeTlsContext | undefined,
  ) => NativeTlsContext;
  /** TLS objects of the whole process, for tests. */
  tlsLiveCounts(): { readonly contexts: number; readonly channels: number };
}

/**
 * Deflate streams, named by integers. Ranges, flags and results of inflate() and deflate() travel in
 * `words`; deflate-layout.ts has their places.
 */
export interface NativeDeflate {
  readonly layout: Readonly<Record<string, number>>;
  readonly words: Int32Array;
  /** @returns the stream, or -1 without memory or for an argument out of range */
  openDeflater(windowBits: number, level: number, memLevel: number): number;
  openInflater(windowBits: number): number;
  /** Frees the stream's memory at once. Does nothing for one that is closed. */
  closeDeflater(stream: number): void;
  closeInflater(stream: number): void;
  /** @returns INFLATE_DONE, _FULL, _CORRUPT, _INVALID_TEXT or _NO_MEMORY */
  inflate(stream: number, bytes: Uint8Array, out: Uint8Array): number;
  /** What was wrong, after INFLATE_CORRUPT. */
  inflateReason(stream: number): string;
  /** @returns the frame's length; 0 when the message is better sent as it is */
  deflate(stream: number, data: string | Uint8Array, out: Uint8Array): number;
  /** Open streams of this process, all threads. */
  liveStreams(): number;
  /** What zlib has allocated for them. */
  liveBytes(): number;
}
