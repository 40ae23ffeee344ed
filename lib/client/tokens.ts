// The agent's token: asked for when it is needed, never used again once it was refused.

/** What may stand in a subprotocol (RFC 9110 token); a token with anything else is none. */
const TOKEN = /^[\w.~+-]+$/;

export type TokenAnswer =
  | { readonly outcome: 'token'; readonly token: string }
  /** The same as the one that was refused, or no token at all. */
  | { readonly outcome: 'refused' }
  /** Whoever hands out tokens cannot be reached: the same as no network. */
  | { readonly outcome: 'unreachable' };

export class Tokens {
  readonly #ask: () => string | Promise<string>;
  /** The one that the present session began with or was renewed with. */
  #current = '';
  #refused: string | undefined;

  constructor(ask: () => string | Promise<string>) {
    this.#ask = ask;
  }

  /** The token for the next connection. */
  async next(): Promise<TokenAnswer> {
    let token: string;
    try {
      token = await this.#ask();
    } catch {
      return { outcome: 'unreachable' };
    }
    if (token === this.#refused || !TOKEN.test(token)) return { outcome: 'refused' };
    return { outcome: 'token', token };
  }

  /** A token other than the present one; undefined when there is none. */
  async another(): Promise<string | undefined> {
    const answer = await this.next();
    return answer.outcome === 'token' && answer.token !== this.#current ? answer.token : undefined;
  }

  use(token: string): void {
    this.#current = token;
  }

  /** The gateway does not take it (the present one when absent). */
  refuse(token: string = this.#current): void {
    this.#refused = token;
  }

  /** A person wants to try all the same. */
  forgive(): void {
    this.#refused = undefined;
  }
}
