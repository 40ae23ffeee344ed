// Records: what goes in comes out, however the stream is cut; what is no record ends it.

import { describe, expect, test } from 'vitest';
import {
  encodeRecord,
  RECORD_HEADER_BYTES,
  RECORD_VERSION,
  RecordReader,
} from '../../../lib/process/record.ts';
import { forEveryCut } from '../../support/chunkings.ts';

const BYTES_MAX = 64;

interface Seen {
  readonly kind: number;
  readonly text: string;
}

function read(pieces: readonly Buffer[], bytesMax = BYTES_MAX): { seen: Seen[]; isWhole: boolean } {
  const reader = new RecordReader(bytesMax);
  const seen: Seen[] = [];
  const isWhole = pieces.every((piece) =>
    reader.push(piece, 0, piece.length, (kind, bytes, start, end) => {
      seen.push({ kind, text: bytes.toString('utf8', start, end) });
      return true;
    }),
  );
  return { seen, isWhole };
}

const WORDS: readonly Seen[] = [
  { kind: 1, text: 'first' },
  { kind: 2, text: '' },
  { kind: 255, text: 'größer' },
  { kind: 3, text: 'x'.repeat(BYTES_MAX - RECORD_HEADER_BYTES) },
];

test('come out as they went in, wherever the stream is cut', async () => {
  const stream = Buffer.concat(WORDS.map(({ kind, text }) => encodeRecord(kind, text)));
  await forEveryCut(stream, (pieces) => {
    expect(read(pieces)).toEqual({ seen: WORDS, isWhole: true });
  });
});

test('that are not complete wait', async () => {
  const stream = encodeRecord(1, 'waits');
  await forEveryCut(stream.subarray(0, -1), (pieces) => {
    expect(read(pieces)).toEqual({ seen: [], isWhole: true });
  });
});

describe('a stream ends at', () => {
  const longer = encodeRecord(1, 'x'.repeat(BYTES_MAX - RECORD_HEADER_BYTES + 1));
  const other = encodeRecord(1, 'other');
  other[4] = RECORD_VERSION + 1;
  const short = Buffer.from([1, 0, 0, 0, RECORD_VERSION, 1]);

  test.each([
    { name: 'a record of one byte too many', stream: longer },
    { name: 'a record of another version', stream: other },
    { name: 'a length that has no room for a kind', stream: short },
  ])('$name', async ({ stream }) => {
    const good = encodeRecord(7, 'good');
    await forEveryCut(Buffer.concat([good, stream]), (pieces) => {
      expect(read(pieces)).toEqual({ seen: [{ kind: 7, text: 'good' }], isWhole: false });
    });
  });

  test('a record that its reader does not want', () => {
    const reader = new RecordReader(BYTES_MAX);
    const stream = Buffer.concat([encodeRecord(1, 'a'), encodeRecord(2, 'b')]);
    const kinds: number[] = [];
    const isWhole = reader.push(stream, 0, stream.length, (kind) => {
      kinds.push(kind);
      return false;
    });
    expect([kinds, isWhole]).toEqual([[1], false]);
  });
});

test('do not keep what they were read from', () => {
  const reader = new RecordReader(BYTES_MAX);
  const stream = encodeRecord(1, 'borrowed');
  const slab = Buffer.alloc(32);
  const texts: string[] = [];
  for (const piece of [stream.subarray(0, 9), stream.subarray(9)]) {
    piece.copy(slab);
    reader.push(slab, 0, piece.length, (_kind, bytes, start, end) => {
      texts.push(bytes.toString('utf8', start, end));
      return true;
    });
    slab.fill(0xdd);
  }
  expect(texts).toEqual(['borrowed']);
});
