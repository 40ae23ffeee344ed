// Loads the second addon, which stands on the zlib and OpenSSL of the node binary: only when TLS or
// permessage-deflate is asked for, and only after the first addon has seen that all symbols are there.

import { SluiceError } from '../base/errors.ts';
import { PACKAGE_ROOT, requireAddon } from './addon-file.ts';
import type { CodecBinding, NativeBinding } from './binding.ts';
import { CODEC_SYMBOLS } from './codec-symbols.ts';
import { loadNative } from './load.ts';

/** Named in the message of an error; the rest is counted. */
const SYMBOLS_SHOWN_MAX = 5;

let loaded: CodecBinding | undefined;

/**
 * The addon, loaded at the first call.
 * @throws SluiceError ERR_CODEC_MISSING when it is not there or this runtime lacks what it needs
 */
export function loadCodec(): CodecBinding {
  loaded ??= loadCodecFrom(process.env['SLUICE_CODEC'], PACKAGE_ROOT);
  return loaded;
}

/**
 * Loads the addon without remembering it.
 * @param file a .node file; without it, build/Release and prebuilds/ below `root` are searched
 * @param native who looks for the symbols
 */
export function loadCodecFrom(
  file: string | undefined,
  root: string,
  native: Pick<NativeBinding, 'missingSymbols'> = loadNative(),
): CodecBinding {
  const missing = native.missingSymbols(CODEC_SYMBOLS);
  if (missing.length > 0) throw new SluiceError('ERR_CODEC_MISSING', missingText(missing));
  try {
    return requireAddon(file, 'sluice_codec', root) as CodecBinding;
  } catch (cause) {
    const place = file === undefined || file === '' ? root : file;
    throw new SluiceError(
      'ERR_CODEC_MISSING',
      `The addon for TLS and permessage-deflate could not be loaded from ${place} ` +
        `(${process.platform}-${process.arch}, Node ${process.version}). It is built beside the ` +
        'first one when the headers zlib.h and openssl/ssl.h are there.',
      { cause },
    );
  }
}

function missingText(missing: readonly string[]): string {
  const shown = missing.slice(0, SYMBOLS_SHOWN_MAX).join(', ');
  const rest = missing.length - SYMBOLS_SHOWN_MAX;
  return (
    'TLS and permessage-deflate stand on the OpenSSL and zlib that Node exports; this runtime ' +
    `(${process.release.name} ${process.version}) does not export ${shown}` +
    `${rest > 0 ? ` and ${rest} more` : ''}.`
  );
}
