// The clerk's end of the bus: stores what workers append, and tells everybody what was committed. Before its
// journal is open it answers nobody; a worker's hello waits for it.

import type { Clock, Timer } from '../base/clock.ts';
import { isSluiceError, SluiceError } from '../base/errors.ts';
import type { JournalState } from '../journal/follower-journal.ts';
import type { LogRow } from '../journal/recent-rows.ts';
import type { Journal } from '../journal/types.ts';
import type { SenderAction } from '../messenger/types.ts';
import type { WorkerBus } from '../process/bus-types.ts';
import {
  CLERK_VERSIONS,
  type ClerkHello,
  commonVersion,
  decodeRecords,
  encodeCommit,
  encodeState,
  type Versions,
} from './bus-words.ts';
import { CLERK_STATE_MS, COMMIT_CHARS_MAX } from './limits.ts';

export interface ClerkJournal {
  readonly journal: Pick<Journal, 'append' | 'epoch' | 'head' | 'tailSeq'>;
  readonly views: { readonly mark: number };
}

export interface ClerkServiceOptions {
  readonly bus: Pick<WorkerBus, 'signal' | 'onSignal' | 'onRequest'>;
  readonly clock: Clock;
  readonly act: (conversation: string, action: SenderAction) => void;
  /** For tests of other versions. */
  readonly versions?: Versions;
}

export class ClerkService {
  readonly #options: ClerkServiceOptions;
  readonly #opened: Promise<ClerkJournal>;
  #open: (journal: ClerkJournal) => void = () => undefined;
  #journal: ClerkJournal | undefined;
  #timer: Timer | undefined;

  /** From now on workers may ask. */
  constructor(options: ClerkServiceOptions) {
    this.#options = options;
    this.#opened = new Promise((resolve) => {
      this.#open = resolve;
    });
    const { bus, act } = options;
    bus.onRequest('clerk.hello', (text) => this.#greet(String(text)));
    bus.onRequest('clerk.append', (text) => this.#append(String(text)));
    bus.onSignal('clerk.act', (text) => {
      const { conversation, action } = JSON.parse(String(text)) as {
        conversation: string;
        action: SenderAction;
      };
      act(conversation, action);
    });
  }

  /** The journal is open: whoever waits is answered. */
  start(journal: ClerkJournal): void {
    this.#journal = journal;
    this.#open(journal);
    this.#tell();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Hands a commit's rows to everybody; what is too long for one record is read from the file. */
  committed(rows: readonly LogRow[]): void {
    const { bus } = this.#options;
    const state = this.#state();
    if (state === undefined) return;
    const chars = rows.reduce((sum, row) => sum + row.body.length, 0);
    if (chars > COMMIT_CHARS_MAX) bus.signal('all', 'clerk.state', encodeState(state));
    else bus.signal('all', 'clerk.commit', encodeCommit(rows, state));
  }

  async #greet(text: string): Promise<string> {
    const theirs = JSON.parse(text) as Versions;
    const version = commonVersion(this.#options.versions ?? CLERK_VERSIONS, theirs);
    if (version === undefined) throw new SluiceError('ERR_STATE', 'No common version.');
    const { journal } = await this.#opened;
    const hello: ClerkHello = {
      version,
      epoch: journal.epoch,
      ...(this.#state() as JournalState),
    };
    return JSON.stringify(hello);
  }

  async #append(text: string): Promise<string> {
    const { journal } = await this.#opened;
    try {
      return JSON.stringify(await journal.append(decodeRecords(text)));
    } catch (error) {
      if (!isSluiceError(error)) throw error;
      return JSON.stringify({ error: error.code, message: error.message });
    }
  }

  #state(): JournalState | undefined {
    if (this.#journal === undefined) return undefined;
    const { journal, views } = this.#journal;
    return { head: journal.head, tailSeq: journal.tailSeq, mark: views.mark };
  }

  #tell(): void {
    const { bus, clock } = this.#options;
    this.#timer = clock.after(CLERK_STATE_MS, () => this.#tell());
    const state = this.#state();
    if (state !== undefined) bus.signal('all', 'clerk.state', encodeState(state));
  }
}
