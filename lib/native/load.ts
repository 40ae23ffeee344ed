// Finds and loads the addon: build/Release of this package, else a prebuilt binary, or the file that
// SLUICE_ADDON names (the sanitized build of the tests).

import { SluiceError } from '../base/errors.ts';
import { PACKAGE_ROOT, requireAddon } from './addon-file.ts';
import type { NativeBinding } from './binding.ts';

let loaded: NativeBinding | undefined;

/**
 * The addon, loaded at the first call.
 * @throws SluiceError ERR_NATIVE_MISSING when there is no binary for this machine
 */
export function loadNative(): NativeBinding {
  loaded ??= loadFrom(process.env['SLUICE_ADDON'], PACKAGE_ROOT);
  return loaded;
}

/**
 * Loads the addon without remembering it.
 * @param file a .node file; without it, build/Release and prebuilds/ below `root` are searched
 */
export function loadFrom(file: string | undefined, root: string): NativeBinding {
  try {
    return requireAddon(file, 'sluice', root) as NativeBinding;
  } catch (cause) {
    const place = file === undefined || file === '' ? root : file;
    throw new SluiceError(
      'ERR_NATIVE_MISSING',
      `The native addon could not be loaded from ${place} (${process.platform}-${process.arch}, ` +
        `Node ${process.version}). Sluice runs on Linux; without a prebuilt binary it is built by ` +
        '"npx node-gyp rebuild", which needs python3, make and g++.',
      { cause },
    );
  }
}
