// Finds the handler of a method and a path, or says which methods the path has. Knows no connection.

import { SluiceError } from '../base/errors.ts';
import { PathTable, type RouteParams } from '../http/path-table.ts';
import type { RouteHandler } from './types.ts';

const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/;

type Handlers = Map<string, RouteHandler>;

export type RouteResult =
  | { readonly kind: 'handler'; readonly handler: RouteHandler; readonly params: RouteParams }
  /** No handler for the method; `allow` is the value of the Allow field. */
  | { readonly kind: 'method'; readonly allow: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'malformed' };

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
    handlers.set(method, handler);
    this.#methods.add(method);
  }

  /** HEAD falls back to GET. A path that only other methods have gives their list. */
  match(method: string, path: string): RouteResult {
    if (path === '*') return { kind: 'method', allow: allowOf(this.#methods) };
    const fallback = method === 'HEAD' ? 'GET' : method;
    const exact = this.#paths.exact(path);
    const direct = exact?.entry.get(method) ?? exact?.entry.get(fallback);
    if (exact !== undefined && direct !== undefined) {
      return { kind: 'handler', handler: direct, params: exact.params };
    }
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
    return handler === undefined ? NONE : { kind: 'handler', handler, params: found.params };
  }
}

function allowOf(methods: ReadonlySet<string>): string {
  const all = new Set(methods);
  if (all.has('GET')) all.add('HEAD');
  all.add('OPTIONS');
  return [...all].sort().join(', ');
}
