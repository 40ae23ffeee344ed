// What a listener is told about TLS, and what that becomes for OpenSSL: files are read, words become
// numbers, lists of ciphers are split. Opens nothing.

import { readFileSync } from 'node:fs';
import { SluiceError } from '../base/errors.ts';

/** PEM as text or bytes, or the path of a file with it (whatever has no '-----BEGIN'). */
export type PemSource = string | Uint8Array;

/** A certificate with its key; lists pair an RSA and an ECDSA one. */
export interface TlsIdentity {
  /** The server's certificate, and behind it those that lead to the root, in order. */
  readonly cert: PemSource | readonly PemSource[];
  readonly key: PemSource | readonly PemSource[];
  /** Of encrypted keys. */
  readonly passphrase?: string;
}

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

export interface TlsOptions extends TlsIdentity {
  /** Authorities of client certificates; for `clientCertificate` only. */
  readonly ca?: PemSource | readonly PemSource[];
  /**
   * 'none' (default), 'request': who has none or a wrong one is told apart by
   * `clientCertificate.authorized`, or 'require': no connection without a good one.
   */
  readonly clientCertificate?: 'none' | 'request' | 'require';
  /** Default TLSv1.2. */
  readonly minVersion?: TlsVersion;
  /** Default TLSv1.3. */
  readonly maxVersion?: TlsVersion;
  /** OpenSSL's list, names of TLS 1.3 (TLS_…) among the others. Default: modern ones only. */
  readonly ciphers?: string;
  /** Certificates by server name: a host, or '*.' and one, which stands for one label. */
  readonly servers?: Readonly<Record<string, TlsIdentity>>;
  /** From accept to the end of the handshake, 100..600,000 ms, default 10,000. */
  readonly handshakeTimeoutMs?: number;
  /** Handshakes at once, 1..65,536, default 1,024; beyond it clients wait in the backlog. */
  readonly handshakesMax?: number;
  /** Life of a session ticket, 0 (none)..604,800 s, default 7,200. Its key is replaced at that age. */
  readonly ticketLifetimeS?: number;
}

/** What the addon takes. */
export interface ResolvedTls {
  readonly clientCertificate: number;
  readonly versionMin: number;
  readonly versionMax: number;
  readonly ciphers: string;
  readonly suites: string;
  readonly ticketLifetimeS: number;
  readonly authorities: Uint8Array;
  readonly identities: readonly ResolvedIdentity[];
  readonly handshakeTimeoutMs: number;
  readonly handshakesMax: number;
}

export interface ResolvedIdentity {
  /** Empty: the default. */
  readonly name: string;
  /** How a message calls it, e.g. `tls.servers["a.example"]`. */
  readonly label: string;
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
  readonly passphrase: Uint8Array;
}

export const TLS_DEFAULTS = {
  handshakeTimeoutMs: 10_000,
  handshakesMax: 1024,
  ticketLifetimeS: 7200,
} as const;

/** Ephemeral keys and authenticated encryption only; hardware is faster with 128 bits. */
const CIPHERS_DEFAULT = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');
const SUITES_DEFAULT = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';

/** RFC 8446 4.2.1: the numbers on the wire. */
const VERSIONS: Readonly<Record<string, number>> = { 'TLSv1.2': 0x0303, 'TLSv1.3': 0x0304 };
const CLIENT_CERTIFICATES = ['none', 'request', 'require'] as const;
const SERVER_NAME =
  /^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/i;
const SERVERS_MAX = 10_000;
const PEM_MARK = '-----BEGIN';

/**
 * Reads and checks everything that needs no OpenSSL.
 * @throws SluiceError ERR_TLS_FILE for a file that cannot be read, ERR_ARG_TYPE, ERR_ARG_RANGE
 */
export function resolveTls(options: TlsOptions): ResolvedTls {
  const { clientCertificate = 'none', minVersion = 'TLSv1.2', maxVersion = 'TLSv1.3' } = options;
  const mode = CLIENT_CERTIFICATES.indexOf(clientCertificate);
  if (mode < 0) throw range("tls.clientCertificate must be 'none', 'request' or 'require'.");
  if (mode > 0 && options.ca === undefined) {
    throw range('tls.clientCertificate needs tls.ca: the authorities that are believed.');
  }
  const versionMin = VERSIONS[minVersion] ?? 0;
  const versionMax = VERSIONS[maxVersion] ?? 0;
  if (versionMin === 0 || versionMax === 0 || versionMin > versionMax) {
    throw range("tls.minVersion and tls.maxVersion are 'TLSv1.2' or 'TLSv1.3', in this order.");
  }
  const ciphers = splitCiphers(options.ciphers);
  return {
    clientCertificate: mode,
    versionMin,
    versionMax,
    ...ciphers,
    ticketLifetimeS: bounded('ticketLifetimeS', options.ticketLifetimeS, 0, 604_800),
    authorities: Buffer.concat(listOf(options.ca).map((source) => readPem(source, 'tls.ca'))),
    identities: resolveIdentities(options),
    handshakeTimeoutMs: bounded('handshakeTimeoutMs', options.handshakeTimeoutMs, 100, 600_000),
    handshakesMax: bounded('handshakesMax', options.handshakesMax, 1, 65_536),
  };
}

function resolveIdentities(options: TlsOptions): ResolvedIdentity[] {
  const identities = resolveIdentity('', 'tls', options);
  const names = Object.entries(options.servers ?? {});
  if (names.length > SERVERS_MAX) throw range(`tls.servers holds at most ${SERVERS_MAX} names.`);
  for (const [name, identity] of names) {
    if (!SERVER_NAME.test(name)) throw range('tls.servers: a name is a host, or *. and a host.');
    identities.push(...resolveIdentity(name, `tls.servers["${name}"]`, identity));
  }
  return identities;
}

function resolveIdentity(name: string, label: string, identity: TlsIdentity): ResolvedIdentity[] {
  const certs = listOf(identity.cert);
  const keys = listOf(identity.key);
  if (certs.length === 0 || certs.length !== keys.length) {
    throw range(`${label} needs cert and key, as many of the one as of the other.`);
  }
  const passphrase = Buffer.from(identity.passphrase ?? '', 'utf8');
  return certs.map((cert, i) => ({
    name,
    label,
    cert: readPem(cert, `${label}.cert`),
    key: readPem(keys[i] as PemSource, `${label}.key`),
    passphrase,
  }));
}

function readPem(source: PemSource, label: string): Uint8Array {
  if (typeof source !== 'string') {
    if (source instanceof Uint8Array) return source;
    throw new SluiceError('ERR_ARG_TYPE', `${label} must be PEM as text or bytes, or a path.`);
  }
  if (source.includes(PEM_MARK)) return Buffer.from(source, 'utf8');
  try {
    return readFileSync(source);
  } catch (cause) {
    const { code = 'unknown error', errno } = cause as NodeJS.ErrnoException;
    // The text may be a mangled key: it is not repeated.
    throw new SluiceError('ERR_TLS_FILE', `${label} names a file that cannot be read (${code}).`, {
      syscall: 'open',
      ...(errno === undefined ? {} : { errno }),
    });
  }
}

function splitCiphers(list: string | undefined): { ciphers: string; suites: string } {
  if (list === undefined) return { ciphers: CIPHERS_DEFAULT, suites: SUITES_DEFAULT };
  const names = list.split(':').filter((name) => name !== '');
  const suites = names.filter((name) => name.startsWith('TLS_')).join(':');
  const ciphers = names.filter((name) => !name.startsWith('TLS_')).join(':');
  // A list for one version leaves the other as it is by default.
  return { ciphers: ciphers || CIPHERS_DEFAULT, suites: suites || SUITES_DEFAULT };
}

function listOf(source: PemSource | readonly PemSource[] | undefined): readonly PemSource[] {
  if (source === undefined) return [];
  return typeof source === 'string' || source instanceof Uint8Array ? [source] : source;
}

function bounded(
  name: keyof typeof TLS_DEFAULTS,
  value: number | undefined,
  least: number,
  most: number,
): number {
  const number = value ?? TLS_DEFAULTS[name];
  if (Number.isInteger(number) && number >= least && number <= most) return number;
  throw range(`tls.${name} must be an integer from ${least} to ${most}.`);
}

function range(message: string): SluiceError {
  return new SluiceError('ERR_ARG_RANGE', message);
}
