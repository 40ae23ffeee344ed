// What records of the bus carry. Knows no socket.
//
//   0    4       5            6      6 + n
//   +----+-------+------------+------+------+
//   | id | flags | name bytes | name | data |     after the record's header; id 0 for signals
//   +----+-------+------------+------+------+

import { SluiceError } from '../base/errors.ts';
import type { BusData } from './bus-types.ts';
import { RECORD_HEADER_BYTES, writeRecordHeader } from './record.ts';

export const BUS_KINDS = { hello: 1, signal: 2, request: 3, answer: 4, failure: 5 } as const;
export const BUS_DATA_BYTES_MAX = 1024 * 1024;
export const BUS_NAME_BYTES_MAX = 200;
const PREFIX_BYTES = 6;
/** Of a whole record. */
export const BUS_RECORD_BYTES_MAX =
  RECORD_HEADER_BYTES + PREFIX_BYTES + BUS_NAME_BYTES_MAX + BUS_DATA_BYTES_MAX;
const FLAG_BINARY = 1;

export interface BusMessage {
  readonly id: number;
  readonly name: string;
  readonly data: string | Buffer;
}

/** Bytes of the whole record. @throws SluiceError ERR_ARG_RANGE, ERR_ARG_TYPE */
export function busRecordBytes(name: string, data: BusData): number {
  if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
    throw new SluiceError('ERR_ARG_TYPE', 'data must be text or bytes.');
  }
  const nameBytes = Buffer.byteLength(name);
  const dataBytes = typeof data === 'string' ? Buffer.byteLength(data) : data.length;
  if (nameBytes > BUS_NAME_BYTES_MAX) {
    throw new SluiceError('ERR_ARG_RANGE', `A name has ${BUS_NAME_BYTES_MAX} bytes at most.`);
  }
  if (dataBytes > BUS_DATA_BYTES_MAX) {
    throw new SluiceError('ERR_ARG_RANGE', `data has ${BUS_DATA_BYTES_MAX} bytes at most.`);
  }
  return RECORD_HEADER_BYTES + PREFIX_BYTES + nameBytes + dataBytes;
}

/** @param bytes from busRecordBytes; so many are written from `at` on */
export function writeBusRecord(
  into: Buffer,
  at: number,
  kind: number,
  id: number,
  name: string,
  data: BusData,
  bytes: number,
): void {
  const start = writeRecordHeader(into, at, kind, bytes - RECORD_HEADER_BYTES);
  into.writeUInt32LE(id, start);
  into[start + 4] = typeof data === 'string' ? 0 : FLAG_BINARY;
  const nameBytes = into.write(name, start + PREFIX_BYTES, 'utf8');
  into[start + 5] = nameBytes;
  const dataStart = start + PREFIX_BYTES + nameBytes;
  if (typeof data === 'string') into.write(data, dataStart, 'utf8');
  else into.set(data, dataStart);
}

/** @returns undefined for what is none of ours */
export function readBusRecord(bytes: Buffer, start: number, end: number): BusMessage | undefined {
  if (end - start < PREFIX_BYTES) return undefined;
  const nameStart = start + PREFIX_BYTES;
  const dataStart = nameStart + (bytes[start + 5] as number);
  if (dataStart > end) return undefined;
  const isBinary = bytes[start + 4] === FLAG_BINARY;
  return {
    id: bytes.readUInt32LE(start),
    name: bytes.toString('utf8', nameStart, dataStart),
    data: isBinary
      ? Buffer.from(bytes.subarray(dataStart, end))
      : bytes.toString('utf8', dataStart, end),
  };
}
