// A worker's end of its control line. It comes again when the line breaks while the supervisor lives, and
// says when the supervisor is gone: at once if the process has ended, after a grace if it only does not answer.

import { connect } from 'node:net';
import { ControlLine, type Said, type SupervisorWords, type WorkerWords } from './control.ts';
import { controlPathIn } from './hand-down.ts';
import { REJOIN_EVERY_MS, REJOIN_GRACE_MS } from './limits.ts';

export interface LinkHandler {
  /** What to begin a line with. */
  hello(): WorkerWords['hello'];
  heard(said: Said<SupervisorWords>): void;
  /** Called once; nothing is heard after it. */
  abandoned(): void;
}

export class ControlLink {
  readonly #path: string;
  readonly #handler: LinkHandler;
  /** Another one takes over the children of a process that ends. */
  readonly #parent = process.ppid;
  #line: ControlLine<SupervisorWords, WorkerWords> | undefined;
  #lostAt: number | undefined;
  #isClosed = false;

  constructor(folder: string, handler: LinkHandler) {
    this.#path = controlPathIn(folder);
    this.#handler = handler;
    this.#join();
  }

  say<Name extends keyof WorkerWords>(name: Name, body: WorkerWords[Name]): void {
    this.#line?.say(name, body);
  }

  close(): void {
    this.#isClosed = true;
    this.#line?.close();
  }

  #join(): void {
    const socket = connect(this.#path);
    socket.once('connect', () => {
      this.#line = line;
      line.say('hello', this.#handler.hello());
    });
    const line = new ControlLine<SupervisorWords, WorkerWords>(
      socket,
      (said) => {
        // Only now is it our supervisor: one that does not know us closes the line without a word.
        this.#lostAt = undefined;
        if (!this.#isClosed) this.#handler.heard(said);
      },
      () => this.#lost(),
    );
  }

  #lost(): void {
    this.#line = undefined;
    if (this.#isClosed) return;
    this.#lostAt ??= performance.now();
    const isOrphan = process.ppid !== this.#parent;
    if (isOrphan || performance.now() - this.#lostAt > REJOIN_GRACE_MS) {
      this.#isClosed = true;
      this.#handler.abandoned();
      return;
    }
    setTimeout(() => this.#retry(), REJOIN_EVERY_MS);
  }

  #retry(): void {
    if (process.ppid !== this.#parent) this.#lost();
    else if (!this.#isClosed) this.#join();
  }
}
