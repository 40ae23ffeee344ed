// A journal record as the text that agents get. The data is passed on as it was stored: no parsing,
// no second stringify, and the same bytes live, in a replay and in a history.

import type { JournalRecord } from '../journal/types.ts';

/** How to-record.ts ends the data of an event that came on Meta's standby channel. */
export const STANDBY_SUFFIX = ',"standby":true}';

/** The event message of a record (contract.md section 4). The record must not be internal. */
export function eventFrame(record: JournalRecord): string {
  const { seq, prev, at, conversation, kind, data } = record;
  const head = `{"type":"event","seq":${seq},"prev":${prev},"at":${at},"conversation":"${conversation}"`;
  const standby = isStandby(data) ? ',"standby":true' : '';
  return `${head},"kind":"${kind}","data":${data}${standby}}`;
}

/** Whether the data's last member is the mark: a nested one ends with two braces. */
function isStandby(data: string): boolean {
  return data.endsWith(STANDBY_SUFFIX) || data === `{${STANDBY_SUFFIX.slice(1)}`;
}
