// The views: read here, written by a thread. Owns the thread's life: started by the first checkpoint, asked to
// stop, never terminated.

import { Worker } from 'node:worker_threads';
import type { Clock } from '../base/clock.ts';
import { SluiceError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type Database, isDamaged, type SqliteModule, TRUNCATE_WAL } from './sqlite.ts';
import type { ViewQuery, ViewRow, Views } from './types.ts';
import {
  pushViewValues,
  VIEWS_COLUMN_COUNT,
  VIEWS_PRAGMAS,
  VIEWS_SET_MARK,
  VIEWS_UPSERT,
  viewRowOf,
} from './views-file.ts';
import { ViewsReader } from './views-reader.ts';
import {
  type CheckpointMessage,
  type CheckpointReply,
  type ViewsWorkerData,
  viewsWorkerMain,
} from './views-worker.ts';

export interface SqliteViewsParts {
  readonly sqlite: SqliteModule;
  readonly path: string;
  readonly database: Database;
  readonly mark: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly checkpointTimeoutMs: number;
  /** The file is damaged: it must be made anew by the next process. Called once. */
  readonly onDamaged: (error: SluiceError) => void;
}

interface Checkpoint {
  readonly id: number;
  readonly mark: number;
  readonly settle: (error?: SluiceError) => void;
}

const ROWS_PER_MESSAGE = 100;

export class SqliteViews implements Views {
  readonly #parts: SqliteViewsParts;
  readonly #database: Database;
  readonly #reader: ViewsReader;
  #worker: Worker | undefined;
  #workerEnd: Promise<void> = Promise.resolve();
  #checkpoint: Checkpoint | undefined;
  #checkpointDone: Promise<void> = Promise.resolve();
  #lastId = 0;
  #mark: number;
  #isClosed = false;
  #closing: Promise<void> | undefined;

  constructor(parts: SqliteViewsParts) {
    this.#parts = parts;
    this.#database = parts.database;
    this.#reader = new ViewsReader(parts.database, (error) => parts.onDamaged(error));
    this.#mark = parts.mark;
  }

  get mark(): number {
    return this.#mark;
  }

  get(key: string): ViewRow | undefined {
    this.#requireOpen();
    const row = this.#reader.row(key);
    return row === undefined ? undefined : viewRowOf(row);
  }

  /** Who writes the rows knows their mark: never above what was folded. */
  getMarked(key: string): { readonly row: ViewRow | undefined; readonly mark: number } {
    return { row: this.get(key), mark: this.#mark };
  }

  list(query: ViewQuery): readonly ViewRow[] {
    this.#requireOpen();
    return this.#reader.list(query);
  }

  /** @throws SluiceError ERR_STATE while another checkpoint runs */
  checkpoint(rows: readonly ViewRow[], mark: number): Promise<void> {
    if (this.#isClosed) return Promise.reject(new SluiceError('ERR_CLOSED'));
    if (this.#checkpoint !== undefined) {
      return Promise.reject(new SluiceError('ERR_STATE', 'A checkpoint is running.'));
    }
    const done = this.#start(rows, mark);
    this.#checkpointDone = done.catch(() => undefined);
    return done;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    await this.#checkpointDone;
    this.#worker?.postMessage({});
    await this.#workerEnd;
    try {
      if (!this.#reader.isDamaged) this.#database.exec(TRUNCATE_WAL);
    } catch (error) {
      this.#parts.log.warn({ error: String(error) }, 'The views could not be closed cleanly.');
    }
    this.#database.close();
  }

  #start(rows: readonly ViewRow[], mark: number): Promise<void> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = this.#parts.clock.after(this.#parts.checkpointTimeoutMs, () => {
        this.#settle(new SluiceError('ERR_JOURNAL_UNAVAILABLE', 'The views took too long.'));
      });
      const settle = (error?: SluiceError): void => {
        timer.cancel();
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#checkpoint = { id, mark, settle };
      this.#send(this.#checkpoint, rows, 0);
    });
  }

  /**
   * A part per turn of the loop: copying thousands of rows at once would hold up everything else.
   */
  #send(checkpoint: Checkpoint, rows: readonly ViewRow[], from: number): void {
    if (this.#checkpoint !== checkpoint) return;
    const to = from + ROWS_PER_MESSAGE;
    const values: (string | number)[] = [];
    for (const row of rows.slice(from, to)) pushViewValues(row, values);
    const { id, mark } = checkpoint;
    const message: CheckpointMessage = to < rows.length ? { id, values } : { id, values, mark };
    this.#startedWorker().postMessage(message);
    if (to < rows.length) setImmediate(() => this.#send(checkpoint, rows, to));
  }

  #onReply(reply: CheckpointReply): void {
    // The answer to a checkpoint that was given up: its rows are in, but newer ones may be on their way.
    if (reply.id !== this.#checkpoint?.id) return;
    if (reply.error === undefined) {
      this.#mark = this.#checkpoint.mark;
      this.#settle();
      return;
    }
    this.#parts.log.error({ error: reply.error }, 'The views could not be written.');
    this.#settle(
      isDamaged(reply)
        ? this.#reader.damaged(reply.error)
        : new SluiceError('ERR_JOURNAL_UNAVAILABLE', 'The views could not be written.'),
    );
  }

  #settle(error?: SluiceError): void {
    const checkpoint = this.#checkpoint;
    this.#checkpoint = undefined;
    checkpoint?.settle(error);
  }

  #startedWorker(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const workerData: ViewsWorkerData = {
      specifier: this.#parts.sqlite.specifier,
      from: import.meta.url,
      file: this.#parts.path,
      pragmas: VIEWS_PRAGMAS,
      upsert: VIEWS_UPSERT,
      setMark: VIEWS_SET_MARK,
      columnCount: VIEWS_COLUMN_COUNT,
    };
    const source = `(${viewsWorkerMain.toString()})(require)`;
    const worker = new Worker(source, { eval: true, workerData, execArgv: [] });
    worker.on('message', (reply: CheckpointReply) => this.#onReply(reply));
    worker.on('error', (error) => this.#onWorkerError(error));
    this.#workerEnd = new Promise((resolve) => {
      worker.on('exit', () => {
        this.#onWorkerExit(worker);
        resolve();
      });
    });
    this.#worker = worker;
    return worker;
  }

  #onWorkerError(error: unknown): void {
    this.#parts.log.error({ error: String(error) }, "The views' thread failed.");
  }

  /** A thread that ended unasked is started again by the next checkpoint. */
  #onWorkerExit(worker: Worker): void {
    if (this.#worker === worker) this.#worker = undefined;
    this.#settle(new SluiceError('ERR_JOURNAL_UNAVAILABLE', "The views' thread ended."));
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new SluiceError('ERR_CLOSED', 'The views are closed.');
  }
}
