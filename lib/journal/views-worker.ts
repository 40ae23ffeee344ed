// The thread that writes views.db. It is started from the source text of this one function, so that it is the
// same code under the compiler's output and under a test runner: it must refer to nothing outside itself.

import type { MessagePort } from 'node:worker_threads';

export interface ViewsWorkerData {
  /** What this thread loads SQLite by, and the file that `require` starts from. */
  readonly specifier: string;
  readonly from: string;
  readonly file: string;
  readonly pragmas: string;
  readonly upsert: string;
  readonly setMark: string;
  readonly columnCount: number;
}

/** A part of a checkpoint. One transaction from its first part to the one that has the mark. */
export interface CheckpointMessage {
  readonly id: number;
  /**
   * Rows one after the other, columnCount values each: one flat array is copied faster than
   * objects.
   */
  readonly values: readonly (string | number)[];
  readonly mark?: number;
}

export interface CheckpointReply {
  readonly id: number;
  readonly error?: string;
  readonly errcode?: number;
}

/**
 * Runs in the thread. A message without id closes the database and lets the thread end: it is never
 * terminated, which would abort the process while SQLite works (engine-notes A13).
 */
export function viewsWorkerMain(require: (specifier: string) => unknown): void {
  const threads = require('node:worker_threads') as {
    parentPort: MessagePort;
    workerData: ViewsWorkerData;
  };
  const { createRequire } = require('node:module') as {
    createRequire: (from: string) => typeof require;
  };
  const { parentPort: port, workerData: setup } = threads;
  const { DatabaseSync } = createRequire(setup.from)(setup.specifier) as {
    DatabaseSync: new (
      file: string,
    ) => {
      readonly isTransaction: boolean;
      exec(sql: string): void;
      prepare(sql: string): { run(...values: (string | number)[]): unknown };
      close(): void;
    };
  };
  const database = new DatabaseSync(setup.file);
  database.exec(setup.pragmas);
  const upsert = database.prepare(setup.upsert);
  const setMark = database.prepare(setup.setMark);

  let openId = 0;
  let failedId = 0;

  const rollback = (): void => {
    if (database.isTransaction) database.exec('ROLLBACK');
    openId = 0;
  };

  const write = ({ id, values, mark }: CheckpointMessage): void => {
    if (id !== openId) {
      // The one before was given up half-way.
      rollback();
      database.exec('BEGIN IMMEDIATE');
      openId = id;
    }
    for (let start = 0; start < values.length; start += setup.columnCount) {
      upsert.run(...values.slice(start, start + setup.columnCount));
    }
    if (mark === undefined) return;
    setMark.run(String(mark));
    database.exec('COMMIT');
    openId = 0;
    port.postMessage({ id });
  };

  port.on('message', (message: CheckpointMessage | { readonly id?: undefined }) => {
    if (message.id === undefined) {
      rollback();
      database.close();
      port.close();
      return;
    }
    if (message.id === failedId) return;
    try {
      write(message);
    } catch (error) {
      failedId = message.id;
      rollback();
      const { errcode } = error as { errcode?: number };
      port.postMessage({ id: message.id, error: String(error), errcode: errcode ?? 0 });
    }
  });
}
