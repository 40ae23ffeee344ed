// What handlers return: a promise of any library or realm is one (ECMA-262 27.2.1.3.2 asks for no more than
// a method `then`).

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as { readonly then?: unknown }).then === 'function'
  );
}
