// What a server may be told about whom to admit, and what it counts.

export interface AdmissionOptions {
  /**
   * Connections of one address, above which 429 is answered. Behind a trusted proxy: requests and
   * sockets that the forwarded address has open. 0 (default) is off.
   */
  readonly connectionsPerIp?: number;
  /** Connections of the whole server, above which 503 is answered. 0 (default) is off. */
  readonly connectionsMax?: number;
  /** WebSocket handshakes of the whole server, on average; as many at once. 0 (default) is off. */
  readonly handshakesPerSecond?: number;
  /** The same for each address. */
  readonly handshakesPerSecondPerIp?: number;
  /** Addresses or CIDR blocks that are dropped at the accept; 403 behind a trusted proxy. */
  readonly deny?: readonly string[];
  /** When given, everybody else is denied. `deny` is stronger. */
  readonly allow?: readonly string[];
  /** Leading bits of an IPv6 address that count as one client, 1 to 128. Default 64. */
  readonly ipv6PrefixBits?: number;
  /** Loopback addresses are not counted per address. Default true; Unix sockets never are. */
  readonly exemptLoopback?: boolean;
}

/** Refusals so far, by reason, and what is counted now. */
export interface AdmissionStats {
  /** Dropped, or answered 403, because of deny and allow. */
  denied: number;
  /** Over connectionsPerIp. */
  addressFull: number;
  /** Over connectionsMax. */
  serverFull: number;
  /** Over handshakesPerSecond. */
  handshakeRate: number;
  /** Over handshakesPerSecondPerIp. */
  addressRate: number;
  /** An Origin that the route does not list, or none where one is required. */
  origin: number;
  /** Over a route's connectionsMax. */
  routeFull: number;
  /** Over a route's connectionsPerIp. */
  routeAddressFull: number;
  /** Over a route's connectionsPerToken. */
  tokenFull: number;
  /** Of the refused ones, those that were reset because too many were being answered. */
  unanswered: number;
  /** PROXY header: the peer is no trusted proxy. */
  proxyUntrusted: number;
  /** PROXY header: malformed or cut off. */
  proxyMalformed: number;
  /** PROXY header: did not come in time. */
  proxyLate: number;
  /** Refused connections that are being answered now. */
  lingering: number;
  /** Addresses that have connections now. */
  addresses: number;
}

/** A refusal that has an answer. */
export interface Refusal {
  readonly status: 400 | 403 | 429 | 503;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}
