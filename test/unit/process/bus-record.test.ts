// Records of the bus, and what is sent when to a peer: the codec at every cut, and the credit of requests.

import { describe, expect, test } from 'vitest';
import {
  BUS_DATA_BYTES_MAX,
  BUS_KINDS,
  BUS_NAME_BYTES_MAX,
  BUS_RECORD_BYTES_MAX,
  type BusMessage,
  busRecordBytes,
  readBusRecord,
  writeBusRecord,
} from '../../../lib/process/bus-record.ts';
import { BusRequests, CREDIT_BYTES, WAITING_MAX } from '../../../lib/process/bus-requests.ts';
import type { BusData } from '../../../lib/process/bus-types.ts';
import { RecordReader } from '../../../lib/process/record.ts';
import { forEveryCut } from '../../support/chunkings.ts';

function encode(kind: number, id: number, name: string, data: BusData): Buffer {
  const bytes = busRecordBytes(name, data);
  const record = Buffer.alloc(bytes, 0xee);
  writeBusRecord(record, 0, kind, id, name, data, bytes);
  return record;
}

describe('records of the bus', () => {
  const messages: readonly (BusMessage & { readonly kind: number })[] = [
    { kind: BUS_KINDS.signal, id: 0, name: 'typing', data: 'yes' },
    { kind: BUS_KINDS.request, id: 0xffffffff, name: 'größe', data: 'wie groß?' },
    { kind: BUS_KINDS.answer, id: 7, name: '', data: Buffer.from([0, 255, 128]) },
    { kind: BUS_KINDS.failure, id: 8, name: '', data: '' },
    { kind: BUS_KINDS.signal, id: 0, name: 'n'.repeat(BUS_NAME_BYTES_MAX), data: Buffer.alloc(0) },
  ];

  test('come out as they went in, wherever the stream is cut', async () => {
    const stream = Buffer.concat(
      messages.map(({ kind, id, name, data }) => encode(kind, id, name, data)),
    );
    await forEveryCut(stream, (pieces) => {
      const reader = new RecordReader(BUS_RECORD_BYTES_MAX);
      const seen: unknown[] = [];
      for (const piece of pieces) {
        reader.push(piece, 0, piece.length, (kind, bytes, start, end) => {
          seen.push({ kind, ...readBusRecord(bytes, start, end) });
          return true;
        });
      }
      expect(seen).toEqual(messages);
    });
  });

  test('that end before their name does are none', () => {
    const record = encode(BUS_KINDS.signal, 0, 'name', '');
    expect(readBusRecord(record, 6, record.length - 1)).toBeUndefined();
    expect(readBusRecord(record, 6, 11)).toBeUndefined();
  });

  test('have bounds', () => {
    const refused = expect.objectContaining({ code: 'ERR_ARG_RANGE' }) as Error;
    expect(() => busRecordBytes('n'.repeat(BUS_NAME_BYTES_MAX + 1), '')).toThrow(refused);
    expect(() => busRecordBytes('', 'x'.repeat(BUS_DATA_BYTES_MAX + 1))).toThrow(refused);
    const most = busRecordBytes('n'.repeat(BUS_NAME_BYTES_MAX), 'x'.repeat(BUS_DATA_BYTES_MAX));
    expect(most).toBe(BUS_RECORD_BYTES_MAX);
    expect(() => busRecordBytes('', { not: 'data' } as never)).toThrow(
      expect.objectContaining({ code: 'ERR_ARG_TYPE' }) as Error,
    );
  });
});

describe('requests', () => {
  function rig() {
    const sent: number[] = [];
    const results: string[] = [];
    const requests = new BusRequests((id) => sent.push(id));
    const add = (name: string, bytes: number, deadline = 1000): void => {
      requests.add({
        name,
        data: '',
        bytes,
        deadline,
        resolve: (answer) => results.push(`${name}: ${answer}`),
        reject: (error) => results.push(`${name}: ${(error as { code?: string }).code}`),
      });
    };
    return { sent, results, requests, add };
  }

  test('go at once up to the credit; the next waits for an answer', () => {
    const { sent, results, requests, add } = rig();
    add('a', CREDIT_BYTES - 10);
    add('b', 10);
    add('c', 1);
    expect([sent, requests.waitingCount, requests.unansweredBytes]).toEqual([
      [1, 2],
      1,
      CREDIT_BYTES,
    ]);
    requests.answered(2, 'yes');
    expect(sent).toEqual([1, 2, 3]);
    expect(results).toEqual(['b: yes']);
  });

  test('that are larger than the credit go alone', () => {
    const { sent, requests, add } = rig();
    add('large', CREDIT_BYTES + 1);
    add('small', 1);
    expect(sent).toEqual([1]);
    requests.answered(1, '');
    expect(sent).toEqual([1, 2]);
  });

  test('never overtake one another', () => {
    const { sent, requests, add } = rig();
    add('a', CREDIT_BYTES);
    add('large', CREDIT_BYTES);
    add('small', 1);
    requests.answered(1, '');
    expect(sent).toEqual([1, 2]);
    requests.answered(2, '');
    expect(sent).toEqual([1, 2, 3]);
  });

  test('wait up to their bound, and the next is refused', () => {
    const { results, requests, add } = rig();
    add('a', CREDIT_BYTES);
    for (let i = 0; i < WAITING_MAX; i++) add('w', 1);
    expect([requests.waitingCount, results]).toEqual([WAITING_MAX, []]);
    add('over', 1);
    expect(results).toEqual(['over: ERR_STATE']);
    requests.answered(1, 'x');
    expect(requests.waitingCount).toBe(0);
  });

  test('that are overdue are rejected, but hold their credit until they are answered', () => {
    const { sent, results, requests, add } = rig();
    add('a', CREDIT_BYTES, 10);
    add('b', CREDIT_BYTES, 11);
    add('c', 1, 1000);
    requests.expire(9);
    expect(results).toEqual([]);
    requests.expire(11);
    expect(results).toEqual(['a: ERR_TIMEOUT', 'b: ERR_TIMEOUT']);
    expect([sent, requests.unansweredBytes]).toEqual([[1], CREDIT_BYTES]);
    // The one that nobody waits for any more is not sent at all.
    requests.answered(1, 'late');
    expect([sent, results.length, requests.unansweredBytes]).toEqual([[1, 2], 2, 1]);
  });

  test('end with their peer', () => {
    const { results, requests, add } = rig();
    add('a', CREDIT_BYTES);
    add('b', 1);
    requests.close();
    expect(results).toEqual(['a: ERR_CLOSED', 'b: ERR_CLOSED']);
    requests.answered(1, 'late');
    requests.failed(77, 'unknown');
    expect(results.length).toBe(2);
  });

  test('fail with the words of the other side', () => {
    const { results, requests, add } = rig();
    add('a', 1);
    requests.failed(1, 'because');
    expect(results).toEqual(['a: ERR_REMOTE']);
  });
});
