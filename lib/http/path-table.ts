// Paths to whatever stands behind them: HTTP handlers, WebSocket routes. Exact paths cost one look-up;
// paths with ':name' segments or a trailing '*' are a tree of segments. Knows no method and no request.

import { SluiceError } from '../base/errors.ts';

export type RouteParams = Readonly<Record<string, string>>;

export interface PathMatch<Entry> {
  readonly entry: Entry;
  readonly params: RouteParams;
}

/** Segments that a pattern may have: the depth of the tree. */
const SEGMENTS_MAX = 32;
const NO_PARAMS: RouteParams = Object.freeze(Object.create(null) as Record<string, string>);
const PATTERN = /^\/[^?#\s*]*\*?$/;

interface PathNode<Entry> {
  readonly literals: Map<string, PathNode<Entry>>;
  parameter: PathNode<Entry> | undefined;
  entry: { readonly value: Entry; readonly names: readonly string[] } | undefined;
  rest: { readonly value: Entry; readonly names: readonly string[] } | undefined;
}

/**
 * Paths to entries. An exact path wins over ':name', ':name' over '*', a longer prefix over a shorter one.
 * A trailing '*' matches any rest, the empty one included, and is params['*'].
 */
export class PathTable<Entry> {
  readonly #exact = new Map<string, PathMatch<Entry>>();
  readonly #root: PathNode<Entry> = emptyNode();
  #hasPatterns = false;

  /** @throws SluiceError ERR_ARG_RANGE when it is not a path pattern, or stands already */
  add(pattern: string, entry: Entry): void {
    if (!PATTERN.test(pattern)) refusePattern(pattern, 'is not a path');
    if (this.get(pattern) !== undefined) refusePattern(pattern, 'stands already');
    if (!pattern.endsWith('*') && !pattern.includes('/:')) {
      this.#exact.set(pattern, { entry, params: NO_PARAMS });
      return;
    }
    this.#hasPatterns = true;
    const { node, names, isRest } = this.#place(pattern);
    if (isRest) node.rest = { value: entry, names };
    else node.entry = { value: entry, names };
  }

  /** The match of a path that was added without parameters and '*'. */
  exact(path: string): PathMatch<Entry> | undefined {
    return this.#exact.get(path);
  }

  /** The entry that was added with exactly this pattern (parameters' names do not matter). */
  get(pattern: string): Entry | undefined {
    if (!pattern.endsWith('*') && !pattern.includes('/:')) return this.#exact.get(pattern)?.entry;
    const { node, isRest } = this.#place(pattern);
    return (isRest ? node.rest : node.entry)?.value;
  }

  /**
   * The most specific entry for a path that `accepts`, if given, takes.
   * @returns undefined when there is none, 'malformed' when a parameter's percent-encoding is
   */
  find(
    path: string,
    accepts?: (entry: Entry) => boolean,
  ): PathMatch<Entry> | 'malformed' | undefined {
    const exact = this.#exact.get(path);
    if (exact !== undefined && (accepts === undefined || accepts(exact.entry))) return exact;
    if (!this.#hasPatterns) return undefined;
    const search: Search<Entry> = { path, segments: path.split('/'), accepts, values: [] };
    return walk(search, this.#root, 1, 1);
  }

  #place(pattern: string): { node: PathNode<Entry>; names: string[]; isRest: boolean } {
    const segments = pattern.split('/').slice(1);
    if (segments.length > SEGMENTS_MAX) refusePattern(pattern, 'has too many segments');
    const names: string[] = [];
    let node = this.#root;
    for (const [index, segment] of segments.entries()) {
      if (segment === '*' && index === segments.length - 1) return { node, names, isRest: true };
      if (segment.includes('*')) refusePattern(pattern, "may have '*' only as its last segment");
      if (segment.startsWith(':')) {
        const name = segment.slice(1);
        if (name === '' || names.includes(name)) refusePattern(pattern, 'names a parameter badly');
        names.push(name);
        node.parameter ??= emptyNode();
        node = node.parameter;
      } else {
        const next = node.literals.get(segment) ?? emptyNode<Entry>();
        node.literals.set(segment, next);
        node = next;
      }
    }
    return { node, names, isRest: false };
  }
}

interface Search<Entry> {
  readonly path: string;
  readonly segments: readonly string[];
  readonly accepts: ((entry: Entry) => boolean) | undefined;
  readonly values: string[];
}

/**
 * Depth-first, the literal branch first; at most two branches per segment and SEGMENTS_MAX deep.
 */
function walk<Entry>(
  search: Search<Entry>,
  node: PathNode<Entry>,
  index: number,
  offset: number,
): PathMatch<Entry> | 'malformed' | undefined {
  const { segments, values } = search;
  if (index === segments.length) return settleMatch(search, node.entry, undefined);
  const segment = segments[index] ?? '';
  const nextOffset = offset + segment.length + 1;
  const literal = node.literals.get(segment);
  if (literal !== undefined) {
    const found = walk(search, literal, index + 1, nextOffset);
    if (found !== undefined) return found;
  }
  if (node.parameter !== undefined && segment !== '') {
    values.push(segment);
    const found = walk(search, node.parameter, index + 1, nextOffset);
    if (found !== undefined) return found;
    values.pop();
  }
  return settleMatch(search, node.rest, search.path.slice(offset));
}

function settleMatch<Entry>(
  search: Search<Entry>,
  found: { readonly value: Entry; readonly names: readonly string[] } | undefined,
  rest: string | undefined,
): PathMatch<Entry> | 'malformed' | undefined {
  if (found === undefined) return undefined;
  if (search.accepts !== undefined && !search.accepts(found.value)) return undefined;
  const params = Object.create(null) as Record<string, string>;
  try {
    for (const [i, name] of found.names.entries()) {
      params[name] = decodeURIComponent(search.values[i] ?? '');
    }
    if (rest !== undefined) params['*'] = decodeURIComponent(rest);
  } catch (error) {
    if (error instanceof URIError) return 'malformed';
    throw error;
  }
  return { entry: found.value, params };
}

function emptyNode<Entry>(): PathNode<Entry> {
  return { literals: new Map(), parameter: undefined, entry: undefined, rest: undefined };
}

function refusePattern(pattern: string, reason: string): never {
  throw new SluiceError('ERR_ARG_RANGE', `The path ${JSON.stringify(pattern)} ${reason}.`);
}
