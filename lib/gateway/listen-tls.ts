// TLS of the gateway's addresses: what the configuration says about it, in the server's words; and
// Meta's own certificate, which it shows when its switch for mutual TLS is on (messenger.md 2.2).

import { isSluiceError } from '../base/errors.ts';
import { createTlsContext } from '../net/tls-context.ts';
import type { RouteHandler, ServerRequest, TlsOptions } from '../server/types.ts';
import type { ConfigFault } from './config.ts';
import { sendProblem } from './problem.ts';

/** Of one listening address. Files are absolute paths, or PEM. */
export interface ListenTls {
  readonly cert: string;
  readonly key: string;
  readonly passphrase?: string;
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
  /** Authorities of client certificates: Meta's. */
  readonly clientCa?: string;
  /** Common name that a client must show on the webhook's path; agents need no certificate. */
  readonly clientName?: string;
}

export function tlsOptionsOf(tls: ListenTls): TlsOptions {
  const { cert, key, passphrase, minVersion, clientCa } = tls;
  return {
    cert,
    key,
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(minVersion === undefined ? {} : { minVersion }),
    ...(clientCa === undefined ? {} : { clientCertificate: 'request', ca: clientCa }),
  };
}

/** What is wrong with certificates, keys and authorities; reads their files and opens nothing. */
export function findTlsFaults(listen: readonly { readonly tls?: ListenTls }[]): ConfigFault[] {
  const faults: ConfigFault[] = [];
  for (const [index, { tls }] of listen.entries()) {
    if (tls === undefined) continue;
    try {
      createTlsContext(tlsOptionsOf(tls));
    } catch (error) {
      if (!isSluiceError(error)) throw error;
      faults.push({ path: `listen.${index}.tls`, message: error.message });
    }
  }
  return faults;
}

/** True when the client has shown a certificate that is in order and has this common name. */
export function hasClientName(request: Pick<ServerRequest, 'tls'>, name: string): boolean {
  const certificate = request.tls?.clientCertificate;
  return certificate?.authorized === true && certificate.name === name;
}

/**
 * The handler behind a check of the client's certificate; without a name to look for, itself.
 * @param refused counts
 */
export function requireClientName(
  name: string | undefined,
  handler: RouteHandler,
  refused: () => void,
): RouteHandler {
  if (name === undefined) return handler;
  return (request, response) => {
    if (hasClientName(request, name)) return handler(request, response);
    refused();
    sendProblem(response, 'forbidden', 'A client certificate of Meta is needed here.');
    return undefined;
  };
}
