// What the second addon needs of the program that loads it. test/integration/codec-addon.test.ts
// compares the list with the binary's undefined symbols.

/** The zlib that Node exports. */
const ZLIB_SYMBOLS = ['zlibVersion'] as const;

export const CODEC_SYMBOLS: readonly string[] = [...ZLIB_SYMBOLS];
