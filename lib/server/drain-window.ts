// The gentle part of an end: listeners are closed, but whoever is connected is served on. HTTP connections
// end with their next answer, sockets are closed one after the other over the window, in random order,
// so that not all of their clients come back at once.

/** A step's share of sockets is closed so often. */
const STEP_MS = 20;

/** What the window needs of a socket's connection. */
export interface ClosableSocket {
  readonly session: { close(code: number, reason: string): void };
}

export interface DrainWindowOptions {
  readonly windowMs: number;
  readonly code: number;
  readonly reason: string;
  readonly random?: () => number;
}

export class DrainWindow {
  readonly #waiting: ClosableSocket[];
  readonly #options: DrainWindowOptions;
  readonly #startedAt = performance.now();
  readonly #total: number;
  #timer: NodeJS.Timeout | undefined;
  #finish: () => void = () => undefined;
  /** Resolves at the window's end, or when end() says that nobody is left. */
  readonly over: Promise<void>;

  constructor(sockets: Iterable<ClosableSocket>, options: DrainWindowOptions) {
    this.#waiting = shuffled([...sockets], options.random ?? Math.random);
    this.#total = this.#waiting.length;
    this.#options = options;
    this.over = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.#timer = setInterval(() => this.#step(), STEP_MS);
  }

  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#finish();
  }

  #step(): void {
    const { windowMs, code, reason } = this.#options;
    const share = Math.min(1, (performance.now() - this.#startedAt) / windowMs);
    const staying = this.#total - Math.ceil(this.#total * share);
    while (this.#waiting.length > staying) this.#waiting.pop()?.session.close(code, reason);
    if (share === 1) this.end();
  }
}

/** Fisher and Yates, in place. */
function shuffled<T>(list: T[], random: () => number): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const other = list[j] as T;
    list[j] = list[i] as T;
    list[i] = other;
  }
  return list;
}
