// Where the .node files are: the file that an environment variable names, else build/Release of this
// package, else the prebuilt ones. There are two addons side by side, so each is asked for by name.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that build/ and prebuilds/ lie in. */
export const PACKAGE_ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Where `name`.node may lie below `root`, the likeliest first. */
export function addonPlaces(name: string, root: string): string[] {
  const prebuilds = join(root, 'prebuilds', `${process.platform}-${process.arch}`);
  return [join(root, 'build', 'Release'), prebuilds, `${prebuilds}-musl`].map((folder) =>
    join(folder, `${name}.node`),
  );
}

/**
 * Loads an addon.
 * @param file a .node file; undefined or empty: the first of addonPlaces() that loads is taken, since a
 *   binary for the other C library lies there but does not
 * @throws what `require` throws for the last file that is there, or an Error when there is none
 */
export function requireAddon(file: string | undefined, name: string, root: string): unknown {
  const require = createRequire(import.meta.url);
  if (file !== undefined && file !== '') return require(file);
  const places = addonPlaces(name, root);
  let failure: unknown = new Error(`none of these files is there: ${places.join(', ')}`);
  for (const place of places) {
    if (!existsSync(place)) continue;
    try {
      return require(place);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}
