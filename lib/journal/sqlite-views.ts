// The views: read here, written by a thread. Owns the thread's life: started by the first checkpoint, asked to
// stop, never terminated.

import { Worker } from 'node:worker_threads';
import type { Clock } from '../base/clock.ts';
import { SluiceError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import {
  allRows,
  type Database,
  isDamaged,
  type SqliteModule,
  type SqlRow,
  type SqlValue,
  type Statement,
  TRUNCATE_WAL,
} from './sqlite.ts';
import type { ViewQuery, ViewRow, Views } from './types.ts';
import {
  compareRows,
  pushViewValues,
  selectsOf,
  VIEWS_COLUMN_COUNT,
  VIEWS_GET,
  VIEWS_PRAGMAS,
  VIEWS_SET_MARK,
  VIEWS_UPSERT,
  type ViewsSelect,
  viewRowOf,
} from './views-file.ts';
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

const LIST_LIMIT_MAX = 10_000;
const ROWS_PER_MESSAGE = 100;

export class SqliteViews implements Views {
  readonly #parts: SqliteViewsParts;
  /** Held for as long as its statements are (sqlite.ts). */
  readonly #database: Database;
  readonly #get: Statement;
  readonly #selects = new Map<string, Statement>();
  #worker: Worker | undefined;
  #workerEnd: Promise<void> = Promise.resolve();
  #checkpoint: Checkpoint | undefined;
  #checkpointDone: Promise<void> = Promise.resolve();
  #lastId = 0;
  #mark: number;
  #isClosed = false;
  #isDamaged = false;
  #closing: Promise<void> | undefined;

  constructor(parts: SqliteViewsParts) {
    this.#parts = parts;
    this.#database = parts.database;
    this.#get = parts.database.prepare(VIEWS_GET);
    this.#mark = parts.mark;
  }

  get mark(): number {
    return this.#mark;
  }

  get(key: string): ViewRow | undefined {
    this.#requireOpen();
    const [row] = this.#all(this.#get, [key]);
    return row === undefined ? undefined : viewRowOf(row);
  }

  list(query: ViewQuery): readonly ViewRow[] {
    this.#requireOpen();
    if (!Number.isInteger(query.limit) || query.limit < 1 || query.limit > LIST_LIMIT_MAX) {
      throw new SluiceError('ERR_ARG_RANGE', `A list has 1 to ${LIST_LIMIT_MAX} rows.`);
    }
    const [first, ...others] = selectsOf(query);
    if (first === undefined) return [];
    if (others.length === 0) return this.#select(first);
    const rows = [first, ...others].flatMap((select) => this.#select(select));
    return rows.sort(compareRows).slice(0, query.limit);
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
      if (!this.#isDamaged) this.#database.exec(TRUNCATE_WAL);
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
        ? this.#damaged(reply.error)
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

  #select({ sql, values }: ViewsSelect): readonly ViewRow[] {
    let statement = this.#selects.get(sql);
    if (statement === undefined) {
      // Bounded by the number of ways to combine the conditions.
      statement = this.#database.prepare(sql);
      this.#selects.set(sql, statement);
    }
    return this.#all(statement, values).map(viewRowOf);
  }

  #all(statement: Statement, values: readonly SqlValue[]): readonly SqlRow[] {
    try {
      return allRows(statement, values);
    } catch (error) {
      throw isDamaged(error) ? this.#damaged(error) : error;
    }
  }

  #damaged(cause: unknown): SluiceError {
    const damage = new SluiceError('ERR_JOURNAL_FATAL', 'The views are damaged.', { cause });
    if (!this.#isDamaged) this.#parts.onDamaged(damage);
    this.#isDamaged = true;
    return damage;
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new SluiceError('ERR_CLOSED', 'The views are closed.');
  }
}
