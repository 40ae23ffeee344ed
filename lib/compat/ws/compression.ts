// permessage-deflate in the words of the `ws` API: its option becomes the codec's, and what a client
// offers becomes the two halves of a connection.

import { type DeflateAgreement, negotiateDeflate } from '../../websocket/deflate-negotiation.ts';
import { type ResolvedDeflate, resolveDeflate } from '../../websocket/deflate-options.ts';
import type { DeflateStreams } from '../../websocket/deflate-streams.ts';
import { parseExtensions } from '../../websocket/extensions.ts';
import { MessageDeflater } from '../../websocket/message-deflater.ts';
import { MessageInflater } from '../../websocket/message-inflater.ts';
import type { PerMessageDeflateOptions } from './server-options.ts';

/** The longest inflated message when `maxPayload` is no bound. */
export const INFLATED_BYTES_MAX = 1 << 30;
/** What zlib takes for a level that is not said (zlib.h). */
const ZLIB_LEVEL = 6;
const ZLIB_MEMORY_LEVEL = 8;
const THRESHOLD = 1024;

/** The two halves of a compressed connection. */
export interface Compression {
  readonly deflater: MessageDeflater;
  readonly inflater: MessageInflater;
  /** Whether a message is worth compressing. */
  wants(payload: string | Uint8Array): boolean;
}

/**
 * @returns undefined when compression is off
 * @throws SluiceError ERR_ARG_RANGE, ERR_ARG_TYPE for values that zlib cannot have
 */
export function resolveCompression(
  option: boolean | PerMessageDeflateOptions,
): ResolvedDeflate | undefined {
  if (option === false) return undefined;
  const options = option === true ? {} : option;
  const { level = ZLIB_LEVEL, memLevel = ZLIB_MEMORY_LEVEL } = options.zlibDeflateOptions ?? {};
  return resolveDeflate({
    threshold: options.threshold ?? THRESHOLD,
    // -1 is zlib's word for its default; 0 would be no compression, and 1 is the nearest to it.
    level: level < 0 ? ZLIB_LEVEL : Math.max(level, 1),
    memLevel,
    serverNoContextTakeover: options.serverNoContextTakeover ?? false,
    clientNoContextTakeover: options.clientNoContextTakeover ?? false,
    ...(typeof options.serverMaxWindowBits === 'number'
      ? { serverMaxWindowBits: options.serverMaxWindowBits }
      : {}),
    ...(typeof options.clientMaxWindowBits === 'number'
      ? { clientMaxWindowBits: options.clientMaxWindowBits }
      : {}),
  });
}

/**
 * @param offered Sec-WebSocket-Extensions
 * @returns undefined when nothing can be agreed on; 'malformed' when the field cannot be read
 */
export function agreeOn(
  offered: string | undefined,
  options: ResolvedDeflate | undefined,
): DeflateAgreement | 'malformed' | undefined {
  if (options === undefined || offered === undefined) return undefined;
  const offers = parseExtensions(offered);
  return offers === undefined ? 'malformed' : negotiateDeflate(offers, options);
}

/** @param maxPayload longest message in bytes; 0 is no bound but that of the codec */
export function compressionOf(
  streams: DeflateStreams,
  agreement: DeflateAgreement,
  options: ResolvedDeflate,
  maxPayload: number,
): Compression {
  const bound = maxPayload > 0 ? Math.min(maxPayload, INFLATED_BYTES_MAX) : INFLATED_BYTES_MAX;
  return {
    deflater: new MessageDeflater(streams, agreement, options),
    inflater: new MessageInflater(streams, agreement, bound),
    // With a context even small messages gain, so that `ws` asks for their size only without one.
    wants: agreement.serverNoContextTakeover
      ? (payload) => payload.length >= options.threshold
      : () => true,
  };
}
