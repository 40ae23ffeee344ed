// The negotiation of permessage-deflate as pure functions (RFC 7692 sections 5 and 7.1): the first offer
// that can be accepted is, and the others are not looked at. What is declined is simply not answered.

import { type ResolvedDeflate, WINDOW_BITS_MAX } from './deflate-options.ts';
import type { ExtensionOffer, ExtensionParameter } from './extensions.ts';

export const DEFLATE_EXTENSION = 'permessage-deflate';

/** What both sides keep to. */
export interface DeflateAgreement {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  /** 8..15: our messages refer back less than 2^n bytes. */
  readonly serverWindowBits: number;
  /** The same of the client's. */
  readonly clientWindowBits: number;
  /** The value of Sec-WebSocket-Extensions in the answer. */
  readonly answer: string;
}

/** A well-formed offer of permessage-deflate. */
interface DeflateOffer {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  readonly serverMaxWindowBits: number | undefined;
  /** null: the client takes the parameter but names no number. */
  readonly clientMaxWindowBits: number | null | undefined;
}

/** A number without leading zeros (RFC 7692 section 7.1.2). */
const WINDOW_BITS = /^(?:[89]|1[0-5])$/;

/**
 * @param offers what the client offers, in its order of preference
 * @returns what was agreed on; undefined when no offer can be accepted: messages go uncompressed
 */
export function negotiateDeflate(
  offers: readonly ExtensionOffer[],
  options: ResolvedDeflate,
): DeflateAgreement | undefined {
  for (const { name, parameters } of offers) {
    if (name !== DEFLATE_EXTENSION) continue;
    const offer = readOffer(parameters);
    const agreement = offer === undefined ? undefined : accept(offer, options);
    if (agreement !== undefined) return agreement;
  }
  return undefined;
}

/** @returns undefined for an unknown parameter, one that comes twice, or a value out of place */
function readOffer(parameters: readonly ExtensionParameter[]): DeflateOffer | undefined {
  const values = new Map<string, string | undefined>();
  for (const { name, value } of parameters) {
    if (values.has(name) || !isValid(name, value)) return undefined;
    values.set(name, value);
  }
  const clientBits = values.get('client_max_window_bits');
  const serverBits = values.get('server_max_window_bits');
  return {
    serverNoContextTakeover: values.has('server_no_context_takeover'),
    clientNoContextTakeover: values.has('client_no_context_takeover'),
    serverMaxWindowBits: serverBits === undefined ? undefined : Number(serverBits),
    clientMaxWindowBits: !values.has('client_max_window_bits')
      ? undefined
      : clientBits === undefined
        ? null
        : Number(clientBits),
  };
}

function isValid(name: string, value: string | undefined): boolean {
  switch (name) {
    case 'server_no_context_takeover':
    case 'client_no_context_takeover':
      return value === undefined;
    case 'server_max_window_bits':
      return value !== undefined && WINDOW_BITS.test(value);
    case 'client_max_window_bits':
      return value === undefined || WINDOW_BITS.test(value);
    default:
      return false;
  }
}

function accept(offer: DeflateOffer, options: ResolvedDeflate): DeflateAgreement | undefined {
  // Only a client that names the parameter understands a smaller window (RFC 7692 section 7.1.2.2).
  const mayLimitClient = offer.clientMaxWindowBits !== undefined;
  if (options.clientMaxWindowBits < WINDOW_BITS_MAX && !mayLimitClient) return undefined;
  const clientLimit = offer.clientMaxWindowBits ?? WINDOW_BITS_MAX;
  const serverLimit = offer.serverMaxWindowBits ?? WINDOW_BITS_MAX;
  const agreed = {
    serverNoContextTakeover: options.serverNoContextTakeover || offer.serverNoContextTakeover,
    clientNoContextTakeover: options.clientNoContextTakeover || offer.clientNoContextTakeover,
    serverWindowBits: Math.min(options.serverMaxWindowBits, serverLimit),
    clientWindowBits: Math.min(options.clientMaxWindowBits, clientLimit),
  };
  return { ...agreed, answer: answerOf(agreed, offer.serverMaxWindowBits !== undefined) };
}

/** @param isServerLimited the offer limits our window: the answer must confirm it */
function answerOf(agreed: Omit<DeflateAgreement, 'answer'>, isServerLimited: boolean): string {
  let answer = DEFLATE_EXTENSION;
  if (agreed.serverNoContextTakeover) answer += '; server_no_context_takeover';
  if (agreed.clientNoContextTakeover) answer += '; client_no_context_takeover';
  if (isServerLimited || agreed.serverWindowBits < WINDOW_BITS_MAX) {
    answer += `; server_max_window_bits=${agreed.serverWindowBits}`;
  }
  if (agreed.clientWindowBits < WINDOW_BITS_MAX) {
    answer += `; client_max_window_bits=${agreed.clientWindowBits}`;
  }
  return answer;
}
