// Finds the handler of a method and a path, or says which methods the path has. Knows no connection.

import { SluiceError } from '../../base/errors.ts';
import { PathTable, type RouteParams } from '../../http/path-table.ts';
import type { RouteHandler } from '../types.ts';

const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/;

export type RouteResult =
  | { readonly kind: 'handler'; readonly handler: RouteHandler; readonly params: RouteParams }
  /** No handler for the method; `allow` is the value of the Allow field. */
  | { readonly kind: 'method'; readonly allow: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'malformed' };

type HandlerResult = Extract<RouteResult, { readonly kind: 'handler' }>;
/** By method: what a path without parameters answers is the same object each time. */
type Handlers = Map<string, HandlerResult>;

const NO_PARAMS: RouteParams = Object.freeze(Object.create(null) as Record<string, string>);
const NONE: RouteResult = { kind: 'none' };
const MALFORMED: RouteResult = { kind: 'malformed' };

export class Router {
  readonly #paths = new PathTable<Handlers>();
  readonly #methods = new Set<string>();

  /**
   * @throws SluiceError ERR_ARG_RANGE for a bad method or path, or when the pair has a handler
   * already
   */
  add(method: string, path: string, handler: RouteHandler): void {
    if (!METHOD.test(method)) {
      throw new SluiceError('ERR_ARG_RANGE', `Not a method: ${JSON.stringify(method)}`);
    }
    if (typeof handler !== 'function') {
      throw new SluiceError('ERR_ARG_TYPE', 'A handler is a function.');
    }
    let handlers = this.#paths.get(path);
    if (handlers === undefined) {
      handlers = new Map();
      this.#paths.add(path, handlers);
    }
    if (handlers.has(method)) {
      throw new SluiceError('ERR_ARG_RANGE', `${method} ${path} has a handler already.`);
    }
    handlers.set(method, { kind: 'handler', handler, params: NO_PARAMS });
    this.#methods.add(method);
  }

  /** HEAD falls back to GET. A path that only other methods have gives their list. */
  match(method: string, path: string): RouteResult {
    if (path === '*') return { kind: 'method', allow: allowOf(this.#methods) };
    const fallback = method === 'HEAD' ? 'GET' : method;
    const exact = this.#paths.exact(path);
    const direct = exact?.entry.get(method) ?? exact?.entry.get(fallback);
    if (direct !== undefined) return direct;
    return this.#search(method, fallback, path);
  }

  #search(method: string, fallback: string, path: string): RouteResult {
    const others = new Set<string>();
    const found = this.#paths.find(path, (handlers) => {
      if (handlers.has(method) || handlers.has(fallback)) return true;
      for (const other of handlers.keys()) others.add(other);
      return false;
    });
    if (found === 'malformed') return MALFORMED;
    if (found === undefined) {
      return others.size === 0 ? NONE : { kind: 'method', allow: allowOf(others) };
    }
    const handler = found.entry.get(method) ?? found.entry.get(fallback);
    return handler === undefined ? NONE : { ...handler, params: found.params };
  }
}

function allowOf(methods: ReadonlySet<string>): string {
  const all = new Set(methods);
  if (all.has('GET')) all.add('HEAD');
  all.add('OPTIONS');
  return [...all].sort().join(', ');
}
