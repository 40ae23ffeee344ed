// From a request's path to the name of a file below a folder. Decoded once; whatever could mean another
// place to another reader is no name.

/** A file below the root: its segments joined by '/', '' for the root itself. */
export interface StaticName {
  readonly name: string;
  /** The path ended in a slash, or was the root: a folder is meant. */
  readonly isFolder: boolean;
}

/**
 * @param rest what the route's '*' matched, percent-decoded
 * @returns undefined for '.', '..' and empty segments, for NUL, and for names that begin with a dot
 *   unless they are allowed
 */
export function staticNameOf(rest: string, allowsDotfiles: boolean): StaticName | undefined {
  if (rest.includes('\0')) return undefined;
  const isFolder = rest === '' || rest.endsWith('/');
  const name = rest.endsWith('/') ? rest.slice(0, -1) : rest;
  if (name === '') return rest === '' ? { name, isFolder } : undefined;
  for (const segment of name.split('/')) {
    if (segment === '' || segment === '.' || segment === '..') return undefined;
    if (segment.startsWith('.') && !allowsDotfiles) return undefined;
  }
  return { name, isFolder };
}
