// Meta's error codes and what each means for a message: one table, nothing else (messenger.md 5.3,
// Meta's list of June 25, 2026). Descriptions change, so nothing is ever decided by text.

import type { GraphErrorClass } from './types.ts';

export interface ErrorRow {
  readonly code: number;
  /** Absent: the row stands for the code with any subcode that has no row of its own. */
  readonly subcode?: number;
  readonly class: GraphErrorClass;
  /** The row counts only when Meta sends no subcode at all. */
  readonly bareOnly?: true;
}

type Line = readonly [class_: GraphErrorClass, code: number, ...subcodes: readonly number[]];

/**
 * One line per meaning: class, code, and the subcodes that share it; without subcodes the code
 * itself.
 */
const LINES: readonly Line[] = [
  // Unknown, maybe sent. 1357046 is described by Meta itself as "messages are all sent".
  ['U', 1],
  ['U', 1, 1357046],
  ['U', 2],
  // Limits: app, user, Page, and the business use cases of Pages, Instagram, Messenger, WhatsApp.
  ['L', 4],
  ['L', 4, 2018022],
  ['L', 9, 2018352],
  ['L', 17],
  ['L', 32],
  ['L', 341],
  ['L', 613],
  ['L', 613, 1996, 2534040, 2018338],
  ['L', 80001],
  ['L', 80002],
  ['L', 80006],
  ['L', 80008],
  // Temporary, nothing sent: Meta could not fetch our file, or says so.
  ['R', 100, 2018008, 2018294],
  ['R', 1200],
  // Token, permission, configuration of the Page or the app.
  ['T', 1, 99],
  ['T', 2, 2018344],
  ['T', 3],
  ['T', 10],
  ['T', 10, 2534077],
  ['T', 100, 2534013],
  ['T', 102],
  ['T', 104],
  ['T', 190],
  ['T', 190, 458, 459, 460, 463, 464, 467, 492],
  ['T', 200],
  ['T', 200, 2018028, 2018027, 2018021, 2534041],
  ['T', 36103],
  // Outside the window; the last one is Instagram's flavour.
  ['W', 10, 2018278, 2018065, 2534022],
  // This person cannot be reached.
  ['B', 10, 2018108, 2018336],
  ['B', 100, 2018001, 2534014],
  ['B', 200, 1545041],
  ['B', 551],
  ['B', 551, 1545041],
  ['B', 230],
  // Our request is wrong.
  ['P', 1, 2018382],
  ['P', 4, 2018354],
  ['P', 10, 1404170, 1893015],
  ['P', 613, 1893016],
  ['P', 100],
  ['P', 100, 33, 2018047, 2018074, 2018109, 2018014, 2018164, 2018320, 2018328],
  ['P', 100, 2534015, 2534025],
  ['P', 2018218],
  ['P', 2018247],
  ['P', 10303],
  ['P', 10900],
  ['P', 10903],
  ['P', 9000001],
  ['P', 2534068],
  // Another app has the thread.
  ['O', 100, 2534037],
  ['O', 2018300],
  ['O', 2018321],
  ['O', 2018171],
  ['O', 2018234],
  // Policy blocks of the Page or the app.
  ['X', 10, 1893063],
  ['X', 100, 2534029],
  ['X', 368],
  ['X', 2022],
];

/**
 * Code 10 covers windows, people and permissions: with an unknown subcode it must not stop a
 * Page.
 */
const BARE_ONLY: readonly number[] = [10];

export const ERROR_TABLE: readonly ErrorRow[] = LINES.flatMap(([kind, code, ...subcodes]) => {
  if (subcodes.length > 0) return subcodes.map((subcode) => ({ code, subcode, class: kind }));
  const bare: ErrorRow = { code, class: kind };
  return BARE_ONLY.includes(code) ? [{ ...bare, bareOnly: true as const }] : [bare];
});
