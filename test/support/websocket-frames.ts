// Builds client frames for tests, right and wrong ones, and reads server frames back.

export interface FrameShape {
  readonly fin?: boolean;
  /** Reserved bits, 0 to 7. */
  readonly rsv?: number;
  readonly opcode?: number;
  readonly payload?: string | Uint8Array;
  /** Four bytes; false sends the frame unmasked. */
  readonly mask?: readonly [number, number, number, number] | false;
  /** 7, 16 or 64 bits of length, whatever the payload has. */
  readonly lengthForm?: 7 | 16 | 64;
  /** Announced instead of the payload's own length. */
  readonly announced?: bigint;
}

/** One frame as a client sends it. */
export function clientFrame(shape: FrameShape = {}): Buffer {
  const payload = Buffer.from(shape.payload ?? '');
  const length = shape.announced ?? BigInt(payload.length);
  const form = shape.lengthForm ?? (length < 126n ? 7 : length < 65_536n ? 16 : 64);
  const mask = shape.mask ?? [0x37, 0xfa, 0x21, 0x3d];
  const first = (shape.fin === false ? 0 : 0x80) | ((shape.rsv ?? 0) << 4) | (shape.opcode ?? 1);
  const maskBit = mask === false ? 0 : 0x80;
  const head = Buffer.alloc(form === 7 ? 2 : form === 16 ? 4 : 10);
  head[0] = first;
  head[1] = maskBit | (form === 7 ? Number(length) : form === 16 ? 126 : 127);
  if (form === 16) head.writeUInt16BE(Number(length), 2);
  if (form === 64) head.writeBigUInt64BE(length, 2);
  if (mask === false) return Buffer.concat([head, payload]);
  const masked = payload.map((byte, i) => byte ^ (mask[i & 3] ?? 0));
  return Buffer.concat([head, Buffer.from(mask), masked]);
}

/** A masked close frame. */
export function clientClose(code?: number, reason = ''): Buffer {
  if (code === undefined) return clientFrame({ opcode: 8 });
  const payload = Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]);
  return clientFrame({ opcode: 8, payload });
}

export interface ServerFrame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** Splits whole server frames; throws when one is masked, not final, or has reserved bits. */
export function readServerFrames(bytes: Buffer): ServerFrame[] {
  const frames: ServerFrame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const first = bytes.readUInt8(at);
    const second = bytes.readUInt8(at + 1);
    if ((first & 0xf0) !== 0x80 || second >= 0x80) throw new Error(`bad server frame at ${at}`);
    let length = second;
    at += 2;
    if (second === 126) length = bytes.readUInt16BE(at);
    if (second === 127) length = Number(bytes.readBigUInt64BE(at));
    at += second === 126 ? 2 : second === 127 ? 8 : 0;
    if (at + length > bytes.length) throw new Error('server frame is cut');
    frames.push({ opcode: first & 0x0f, payload: bytes.subarray(at, at + length) });
    at += length;
  }
  return frames;
}

/** Server frames as words: `text hello`, `binary 0102`, `close 1000 bye`, `ping`, `pong 00`. */
export function describeServerFrames(bytes: Buffer): string[] {
  return readServerFrames(bytes).map(({ opcode, payload }) => {
    if (opcode === 1) return `text ${payload.toString()}`;
    if (opcode === 2) return `binary ${payload.toString('hex')}`;
    if (opcode === 8) {
      const code = payload.length === 0 ? '' : payload.readUInt16BE(0);
      return `close ${code} ${payload.subarray(2).toString()}`.trimEnd();
    }
    return `${opcode === 9 ? 'ping' : 'pong'} ${payload.toString('hex')}`.trimEnd();
  });
}
