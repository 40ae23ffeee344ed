// The fields that a handler has set on a response, as the lines that they become. Made only for a
// response that has some.

export class ResponseFields {
  readonly #names: string[] = [];
  readonly #lines: string[] = [];

  /** Replaces a field of that name; Set-Cookie is added. @param lower the name in lower case */
  set(name: string, lower: string, value: string): void {
    const at = lower === 'set-cookie' ? -1 : this.#names.indexOf(lower);
    const before = at === -1 ? undefined : this.#lines[at];
    if (before !== undefined) {
      // As it was spelled first.
      this.#lines[at] = `${before.slice(0, lower.length)}: ${value}\r\n`;
      return;
    }
    this.#names.push(lower);
    this.#lines.push(`${name}: ${value}\r\n`);
  }

  has(lower: string): boolean {
    return this.#names.includes(lower);
  }

  /** All lines, each with its end. */
  get text(): string {
    let text = '';
    for (const line of this.#lines) text += line;
    return text;
  }
}
