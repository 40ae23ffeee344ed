// The `resolve` request finds its message by the id alone, for as long as the journal holds it.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { ulid } from '../../../lib/base/ids.ts';
import { silentLog } from '../../../lib/base/log.ts';
import { sendingRecord, unsentRecord } from '../../../lib/desk/outbox-records.ts';
import { Projection } from '../../../lib/desk/projection.ts';
import { Scope } from '../../../lib/gateway/scope.ts';
import type { Session } from '../../../lib/gateway/session.ts';
import { createRequestHandler, type RequestWorld } from '../../../lib/gateway/session-requests.ts';
import type { NewRecord } from '../../../lib/journal/types.ts';
import { JournalRig } from '../../support/journal-rig.ts';
import { MemoryViews } from '../desk/memory-desk.ts';

const DAY_MS = 86_400_000;
const CONVERSATION = 'messenger/100/7';
const ANN = { id: 'ann', name: 'Ann', role: 'agent' } as const;

let rig: JournalRig;
let projection: Projection;
beforeEach(() => {
  rig = new JournalRig();
  projection = new Projection({ views: new MemoryViews(), clock: rig.clock, log: silentLog });
  rig.journal.tail(0, (records) => void projection.apply(records));
});
afterEach(async () => {
  await rig.journal.close();
  rig.directory.remove();
});

async function append(...records: NewRecord[]): Promise<void> {
  const stored = rig.journal.append(records);
  rig.commit();
  await stored;
}

/** A message that was queued, called a day later, and failed. */
async function failedMessage(): Promise<string> {
  const message = ulid(rig.clock.now());
  const text = { message, request: 'r', by: ANN, text: 'hi' };
  const at = rig.clock.now();
  const data = JSON.stringify(text);
  await append({ conversation: CONVERSATION, kind: 'message.queued', at, data, fences: true });
  await rig.clock.advance(DAY_MS);
  const now = rig.clock.now();
  const error = { code: 'rejected', message: 'no', retryable: false };
  await append(
    sendingRecord(CONVERSATION, now, { message, part: 0, attempt: 1, sender: 's' }),
    unsentRecord(CONVERSATION, now, 'failed', { message, error }),
  );
  return message;
}

function resolve(message: string, pages = ['100']): Promise<string | undefined> {
  const world = {
    journal: rig.journal,
    stateOf: (name: string) => projection.get(name),
    clock: rig.clock,
  } as unknown as RequestWorld;
  const session = { person: ANN, scope: new Scope(pages, 'agent') } as unknown as Session;
  const request = { type: 'resolve', id: '1', message, action: 'resend' };
  const answer = Promise.resolve(createRequestHandler(world)(session, request));
  rig.commit();
  return answer;
}

test.each([0, 1, 3, 30])('a message that failed %i days ago is sent again', async (days) => {
  const message = await failedMessage();
  await rig.clock.advance(days * DAY_MS);
  expect(await resolve(message)).toContain(message);
  expect(projection.get(CONVERSATION)?.outbox[0]?.resend).toBe(true);
});

test.each([
  ['the message of another Page', ['200'], undefined],
  ['an id of ours that names nothing', ['100'], ulid(1_800_000_000_000)],
  ['an id that is none of ours', ['100'], 'x'],
])('%s: not_found', async (_name, pages, id) => {
  const message = await failedMessage();
  await expect(resolve(id ?? message, pages)).rejects.toMatchObject({ code: 'not_found' });
});
