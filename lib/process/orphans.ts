// As process 1 of a container we are given every process whose parent has ended, and must wait for it. Node
// waits for its own children alone.

import { readFileSync } from 'node:fs';
import { loadNative } from '../native/load.ts';
import { REAP_EVERY_MS } from './limits.ts';

const STATE_ZOMBIE = 'Z';

/**
 * Looks for zombies again and again. One that is still there at the second look is nobody's: Node would
 * have waited for its own long before.
 */
export class OrphanReaper {
  #seen = new Set<number>();
  readonly #timer: NodeJS.Timeout;
  /** How many were reaped. */
  count = 0;

  constructor() {
    this.#timer = setInterval(() => this.look(), REAP_EVERY_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  look(): void {
    const native = loadNative();
    const seen = new Set<number>();
    for (const pid of zombies()) {
      if (!this.#seen.has(pid)) seen.add(pid);
      else if (native.reapChild(pid) === pid) this.count++;
    }
    this.#seen = seen;
  }
}

function zombies(): number[] {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8');
  return children
    .split(' ')
    .filter((text) => text !== '')
    .map(Number)
    .filter((pid) => stateOf(pid) === STATE_ZOMBIE);
}

/** The state's letter follows the name, which may hold anything; empty for a process that is gone. */
function stateOf(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.charAt(text.lastIndexOf(')') + 2);
  } catch {
    return '';
  }
}
