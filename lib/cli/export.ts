// `sluice export`: the journal as JSON lines on stdout, oldest first; works while a gateway runs.

import { once } from 'node:events';
import { loadDataFolder } from '../gateway/config.ts';
import { LogExport } from '../journal/log-export.ts';
import type { JournalRecord } from '../journal/types.ts';

export interface ExportOptions {
  readonly since?: string;
  readonly conversation?: string;
  readonly config?: string;
}

/** Milliseconds of an ISO 8601 time or of digits; undefined when it is neither. */
export function parseTime(text: string): number | undefined {
  const value = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

function toLine(record: JournalRecord): string {
  const { seq, prev, at, conversation, kind } = record;
  const head = JSON.stringify({ seq, prev, at, conversation, kind });
  return `${head.slice(0, -1)},"data":${record.data}}\n`;
}

export async function exportRecords(options: ExportOptions): Promise<number> {
  const since = options.since === undefined ? 0 : parseTime(options.since);
  if (since === undefined) {
    console.error('sluice: --since is a time such as 2026-11-23T12:00:00Z, or milliseconds');
    return 2;
  }
  const source = new LogExport(loadDataFolder(options.config, process.env));
  try {
    for (const record of source.records()) {
      if (record.at < since) continue;
      if (options.conversation !== undefined && record.conversation !== options.conversation)
        continue;
      if (!process.stdout.write(toLine(record))) await once(process.stdout, 'drain');
    }
  } catch (error) {
    // The reader has seen enough, as `head` does.
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  } finally {
    source.close();
  }
  return 0;
}
