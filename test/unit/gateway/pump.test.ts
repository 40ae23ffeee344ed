import { expect, test } from 'vitest';
import { LiveRecord } from '../../../lib/desk/live-record.ts';
import { Pump } from '../../../lib/gateway/pump.ts';
import type { JournalRecord } from '../../../lib/journal/types.ts';

type Listener = (records: readonly JournalRecord[]) => void;

function start(head: number, position: number) {
  const order: string[] = [];
  const tail: { listener: Listener; after: number; isClosed: boolean } = {
    listener: () => undefined,
    after: -1,
    isClosed: false,
  };
  const projection = {
    position,
    apply(records: readonly JournalRecord[]) {
      order.push(`fold ${records.map((record) => record.seq)}`);
      projection.position = records.at(-1)?.seq ?? projection.position;
      return records.map((record) => new LiveRecord(record));
    },
  };
  const pump = new Pump({
    journal: {
      head,
      tail: (after, onRecords) => {
        tail.after = after;
        tail.listener = onRecords;
        return {
          position: after,
          close: () => {
            tail.isClosed = true;
          },
        };
      },
    },
    projection,
    onRecords: (records) => void order.push(`hub ${records.map((record) => record.seq)}`),
    onLive: (records) => void order.push(`live ${records.map((record) => record.seq)}`),
  });
  return { pump, tail, order };
}

function records(...seqs: number[]): JournalRecord[] {
  const base = { prev: 0, at: 0, conversation: 'messenger/100/7', kind: 'x', data: '{}' };
  return seqs.map((seq) => ({ ...base, seq, fences: false, internal: false }));
}

test('folds first, then publishes, then tells the clerk', async () => {
  const { pump, tail, order } = start(0, 0);
  await pump.start();
  tail.listener(records(1, 2));
  expect(order).toEqual(['fold 1,2', 'hub 1,2', 'live 1,2']);
});

test('does not tell the clerk of what was stored before the start', async () => {
  const { pump, tail, order } = start(3, 1);
  const started = pump.start();
  expect(tail.after).toBe(1);
  let isStarted = false;
  void started.then(() => {
    isStarted = true;
  });
  tail.listener(records(2));
  await Promise.resolve();
  expect(isStarted).toBe(false);
  tail.listener(records(3));
  await started;
  tail.listener(records(4));
  expect(order).toEqual(['fold 2', 'hub 2', 'fold 3', 'hub 3', 'fold 4', 'hub 4', 'live 4']);
});

test('lets go of the tail when it stops', async () => {
  const { pump, tail } = start(0, 0);
  await pump.start();
  pump.stop();
  expect(tail.isClosed).toBe(true);
});
