// What is known about an encrypted connection, in words: made when it is asked for, from what the
// engine tells and, for a client's certificate, from its bytes.

import { X509Certificate } from 'node:crypto';
import type { NativeSecureInfo } from '../native/binding.ts';

export interface ClientCertificateInfo {
  /** The common name of the subject; empty when there is none. */
  readonly name: string;
  /** As OpenSSL writes it: `CN=…`, one attribute per line. */
  readonly subject: string;
  /** For example `DNS:a.example, IP Address:127.0.0.1`; empty when there are none. */
  readonly altNames: string;
  readonly issuer: string;
  /** SHA-256 of the certificate, upper-case hexadecimal with colons. */
  readonly fingerprint256: string;
  readonly validFrom: string;
  readonly validTo: string;
  /** It leads to one of the authorities in `tls.ca`, and holds now. */
  readonly authorized: boolean;
  /** Why not, in OpenSSL's words; empty when it is authorized. */
  readonly reason: string;
}

export interface TlsInfo {
  readonly protocol: 'TLSv1.2' | 'TLSv1.3';
  /** The standard name, e.g. TLS_AES_128_GCM_SHA256. */
  readonly cipher: string;
  /** 'http/1.1', or empty when the client did not ask. */
  readonly alpnProtocol: string;
  /** A session of before was taken up again. */
  readonly resumed: boolean;
  /** What the client asked for (SNI), as it came; empty without. */
  readonly serverName: string;
  /** What the client has shown; undefined: nothing, or it was not asked for. */
  readonly clientCertificate: ClientCertificateInfo | undefined;
}

export function tlsInfoOf(native: NativeSecureInfo): TlsInfo {
  return {
    protocol: native.protocol as TlsInfo['protocol'],
    cipher: native.cipher,
    alpnProtocol: native.applicationProtocol,
    resumed: native.resumed,
    serverName: native.serverName,
    clientCertificate: certificateOf(native),
  };
}

function certificateOf(native: NativeSecureInfo): ClientCertificateInfo | undefined {
  if (native.certificate === undefined) return undefined;
  const certificate = new X509Certificate(native.certificate);
  const subject = certificate.subject ?? '';
  return {
    name: commonName(subject),
    subject,
    altNames: certificate.subjectAltName ?? '',
    issuer: certificate.issuer ?? '',
    fingerprint256: certificate.fingerprint256,
    validFrom: certificate.validFrom,
    validTo: certificate.validTo,
    authorized: native.authorized,
    reason: native.reason,
  };
}

/** Of several, the last: the most specific one (X.520). */
function commonName(subject: string): string {
  const lines = subject.split('\n').filter((line) => line.startsWith('CN='));
  return lines.at(-1)?.slice('CN='.length) ?? '';
}
