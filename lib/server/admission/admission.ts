// Whom a server takes in, decided before any handler runs: at the accept by the peer's address, behind a
// trusted proxy at the head of each request by the forwarded one, at a handshake by rate.
//
//   accept --denied--> reset, nothing is parsed
//     |-----too many--> 429 or 503, lingering close; beyond REFUSALS_LINGERING_MAX a reset
//     '--> request --forwarded address denied, too many--> 403, 429
//            '--> handshake --too many per second--> 429, 503 --> the route's own limits

import { type Clock, systemClock } from '../../base/clock.ts';
import { AddressSet, ipKey, isIpv4Key, isLoopbackKey, prefixOfKey } from '../../base/ip-address.ts';
import { DateSource, statusLine } from '../../http/response-head.ts';
import type { AddressGate, Connection, ConnectionOwner } from '../../net/types.ts';
import { KeyCounts } from './admission-counts.ts';
import { type CheckedAdmission, checkAdmission } from './admission-options.ts';
import { AddressRates, Rate } from './admission-rate.ts';
import type { AdmissionOptions, AdmissionStats, Refusal } from './admission-types.ts';
import type { TrustedProxies } from './http-client-address.ts';

/** Refused connections that are answered and awaited at a time; others are reset without a word. */
export const REFUSALS_LINGERING_MAX = 256;
const RETRY_AFTER_CONNECTIONS_SECONDS = '5';
const RETRY_AFTER_RATE_SECONDS = '1';

export const REFUSALS = {
  denied: { status: 403, headers: {}, body: 'This address is not admitted.\n' },
  addressFull: refusal(429, 'Too many connections of this address.\n'),
  serverFull: refusal(503, 'The server is full.\n'),
  addressRate: refusal(429, 'Too many handshakes of this address.\n', RETRY_AFTER_RATE_SECONDS),
  handshakeRate: refusal(503, 'Too many handshakes.\n', RETRY_AFTER_RATE_SECONDS),
} as const satisfies Readonly<Record<string, Refusal>>;

function refusal(
  status: 429 | 503,
  body: string,
  retryAfter = RETRY_AFTER_CONNECTIONS_SECONDS,
): Refusal {
  return { status, headers: { 'Retry-After': retryAfter }, body };
}

const ignore = (): void => undefined;
const NOBODY: ConnectionOwner = {
  onData: ignore,
  onEnd: ignore,
  onDrain: ignore,
  onDeadline: ignore,
  onClose: ignore,
  onFailure: ignore,
};

export class Admission {
  readonly #stats: AdmissionStats = {
    denied: 0,
    addressFull: 0,
    serverFull: 0,
    handshakeRate: 0,
    addressRate: 0,
    origin: 0,
    routeFull: 0,
    routeAddressFull: 0,
    tokenFull: 0,
    unanswered: 0,
    proxyUntrusted: 0,
    proxyMalformed: 0,
    proxyLate: 0,
    lingering: 0,
    addresses: 0,
  };
  /** The client's answer is on its way; nobody reads what it sends. */
  readonly #refused: ConnectionOwner = { ...NOBODY, onClose: () => this.#stats.lingering-- };
  readonly #addresses = new KeyCounts();
  readonly #handshakes = new Rate();
  readonly #handshakesOf = new AddressRates();
  readonly #clock: Pick<Clock, 'now' | 'monotonicMs'>;
  readonly #date: DateSource;
  #options: CheckedAdmission;
  #deny: AddressSet;
  #allow: AddressSet | undefined;

  /** @throws SluiceError ERR_ARG_RANGE for options out of range */
  constructor(
    options: AdmissionOptions = {},
    clock: Pick<Clock, 'now' | 'monotonicMs'> = systemClock,
  ) {
    this.#clock = clock;
    this.#date = DateSource.of(clock);
    this.#options = checkAdmission(options);
    this.#deny = new AddressSet(this.#options.deny);
    this.#allow = allowOf(this.#options);
  }

  /**
   * Replaces all options; connections that are open stay, and stay counted.
   * @throws SluiceError ERR_ARG_RANGE for options out of range: nothing is changed then
   */
  replace(options: AdmissionOptions): void {
    const checked = checkAdmission(options);
    const deny = new AddressSet(checked.deny);
    this.#allow = allowOf(checked);
    this.#deny = deny;
    this.#options = checked;
  }

  /** One live object; read it whenever you like. */
  get stats(): AdmissionStats {
    this.#stats.addresses = this.#addresses.size;
    return this.#stats;
  }

  /** Whether a request behind a trusted proxy has to be judged by its forwarded address. */
  get judgesAddresses(): boolean {
    const { connectionsPerIp } = this.#options;
    return connectionsPerIp > 0 || this.#allow !== undefined || !this.#deny.isEmpty;
  }

  /** What a listener judges by itself, before a handshake of TLS costs anything. */
  gate(proxies: TrustedProxies): AddressGate {
    const denied = this.#deny.encode();
    const exempt = proxies.encode();
    return this.#allow === undefined
      ? { exempt, denied }
      : { exempt, denied, allowed: this.#allow.encode() };
  }

  /** Leading bits of IPv6 that count as one client. */
  get ipv6PrefixBits(): number {
    return this.#options.ipv6PrefixBits;
  }

  /**
   * Judges an accepted connection. A refused one is answered or reset here.
   * @param open connections of the server without this one
   * @returns the owner of a refused connection; undefined when it is admitted
   */
  accept(
    connection: Connection,
    proxies: TrustedProxies,
    open: number,
  ): ConnectionOwner | undefined {
    const { connectionsMax } = this.#options;
    if (this.judgesAddresses && !proxies.trusts(connection.remoteAddress)) {
      const verdict = this.#judge(connection, connection.remoteAddress);
      if (verdict === 'denied') {
        this.#stats.denied++;
        connection.reset();
        return NOBODY;
      }
      if (verdict === 'full') return this.#refuse(connection, 'addressFull');
    }
    if (connectionsMax === 0 || open < connectionsMax) return undefined;
    return this.#refuse(connection, 'serverFull');
  }

  /** Judges a request that came through a trusted proxy. @param address the forwarded one */
  judgeForwarded(connection: Connection, address: string): Refusal | undefined {
    this.requestEnded(connection);
    const verdict = this.#judge(connection, address);
    if (verdict === 'denied') {
      this.#stats.denied++;
      return REFUSALS.denied;
    }
    if (verdict !== 'full') return undefined;
    this.#stats.addressFull++;
    return REFUSALS.addressFull;
  }

  /** What a request behind a proxy was counted as is free again. */
  requestEnded(connection: Connection): void {
    connection.lease?.release();
    connection.lease = undefined;
  }

  /** Judges a WebSocket handshake by the rates. @param address the client's */
  judgeHandshake(address: string): Refusal | undefined {
    const { handshakesPerSecond, handshakesPerSecondPerIp } = this.#options;
    if (handshakesPerSecondPerIp > 0) {
      const key = this.countedKey(address);
      const rates = this.#handshakesOf;
      if (
        key !== undefined &&
        !rates.take(key, handshakesPerSecondPerIp, this.#clock.monotonicMs())
      ) {
        this.#stats.addressRate++;
        return REFUSALS.addressRate;
      }
    }
    if (
      handshakesPerSecond > 0 &&
      !this.#handshakes.take(handshakesPerSecond, this.#clock.monotonicMs())
    ) {
      this.#stats.handshakeRate++;
      return REFUSALS.handshakeRate;
    }
    return undefined;
  }

  /** What an address is counted as; undefined when it is exempt. */
  countedKey(address: string): string | undefined {
    const key = ipKey(address);
    if (key === undefined) return undefined;
    if (this.#options.exemptLoopback && isLoopbackKey(key)) return undefined;
    return isIpv4Key(key) ? key : prefixOfKey(key, this.#options.ipv6PrefixBits);
  }

  #judge(connection: Connection, address: string): 'denied' | 'full' | undefined {
    const key = ipKey(address);
    // A Unix socket: who may connect is a matter of its file's permissions.
    if (key === undefined) return undefined;
    if (this.#deny.hasKey(key) || this.#allow?.hasKey(key) === false) return 'denied';
    const limit = this.#options.connectionsPerIp;
    const counted = limit === 0 ? undefined : this.countedKey(address);
    if (counted === undefined) return undefined;
    if (this.#addresses.of(counted) >= limit) return 'full';
    connection.lease = this.#addresses.take(counted);
    return undefined;
  }

  #refuse(connection: Connection, reason: 'addressFull' | 'serverFull'): ConnectionOwner {
    this.#stats[reason]++;
    connection.lease?.release();
    if (this.#stats.lingering >= REFUSALS_LINGERING_MAX) {
      this.#stats.unanswered++;
      connection.reset();
      return NOBODY;
    }
    this.#stats.lingering++;
    connection.writeLatin1(answerOf(REFUSALS[reason], this.#date.text));
    connection.close();
    return this.#refused;
  }
}

function answerOf({ status, headers, body }: Refusal, date: string): string {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return (
    `${statusLine(status)}Date: ${date}\r\n${fields.join('')}` +
    'Content-Type: text/plain; charset=utf-8\r\n' +
    `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`
  );
}

function allowOf({ allow }: CheckedAdmission): AddressSet | undefined {
  return allow === undefined ? undefined : new AddressSet(allow);
}
