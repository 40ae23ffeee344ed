// From options to a context of the second addon, which is loaded here and nowhere else in this room.

import { type ErrorCode, SluiceError } from '../base/errors.ts';
import type { NativeTlsContext } from '../native/binding.ts';
import { loadCodec } from '../native/load-codec.ts';
import { type ResolvedIdentity, resolveTls, type TlsOptions } from './tls-options.ts';

export interface TlsSetup {
  readonly context: NativeTlsContext;
  readonly handshakeTimeoutMs: number;
  readonly handshakesMax: number;
}

const CODES: readonly string[] = ['ERR_TLS_CERTIFICATE', 'ERR_TLS_KEY', 'ERR_TLS_SETTING'];

/**
 * Checks the options as a whole; nothing that is in use changes when they are wrong.
 * @param before the context that the new one takes the place of: tickets issued under it stay good,
 *   unless the rules for client certificates change
 * @throws SluiceError ERR_TLS_CERTIFICATE, ERR_TLS_KEY, ERR_TLS_SETTING, ERR_TLS_FILE,
 *   ERR_ARG_RANGE, ERR_ARG_TYPE, ERR_CODEC_MISSING
 */
export function createTlsContext(options: TlsOptions, before?: NativeTlsContext): TlsSetup {
  const resolved = resolveTls(options);
  const { TlsContext } = loadCodec();
  const context = explained(
    'tls.ca',
    () =>
      new TlsContext(
        resolved.clientCertificate,
        resolved.versionMin,
        resolved.versionMax,
        Buffer.from(resolved.ciphers, 'latin1'),
        Buffer.from(resolved.suites, 'latin1'),
        resolved.ticketLifetimeS,
        resolved.authorities,
        before,
      ),
  );
  for (const identity of resolved.identities) addIdentity(context, identity);
  const { handshakeTimeoutMs, handshakesMax } = resolved;
  return { context, handshakeTimeoutMs, handshakesMax };
}

function addIdentity(context: NativeTlsContext, identity: ResolvedIdentity): void {
  const { name, label, cert, key, passphrase } = identity;
  explained(label, () => context.addIdentity(Buffer.from(name, 'latin1'), cert, key, passphrase));
}

/** The addon knows what is wrong, and this which option it is about. */
function explained<Result>(label: string, action: () => Result): Result {
  try {
    return action();
  } catch (cause) {
    const { code = '', message } = cause as NodeJS.ErrnoException;
    if (!CODES.includes(code)) throw cause;
    throw new SluiceError(code as ErrorCode, `${optionOf(code, label)} ${message}.`, { cause });
  }
}

function optionOf(code: string, label: string): string {
  if (code === 'ERR_TLS_KEY') return `${label}.key`;
  if (code === 'ERR_TLS_SETTING') return 'tls.ciphers, tls.minVersion and tls.maxVersion:';
  return label === 'tls.ca' ? label : `${label}.cert`;
}
