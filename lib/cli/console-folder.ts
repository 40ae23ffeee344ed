/** Folder of the built console, from lib/ and from dist/ alike. */
export const consoleFolder = new URL('../../dist/console/', import.meta.url).pathname;
