// Checks and completes what a server is told about admission.

import { SluiceError } from '../../base/errors.ts';
import type { AdmissionOptions } from './admission-types.ts';

/** Highest count or rate that may be asked for. */
const COUNT_MAX = 1_000_000_000;
const IPV6_PREFIX_BITS = 64;
const IPV6_BITS = 128;
/** Blocks of one list. */
export const ADMISSION_BLOCKS_MAX = 100_000;

export type CheckedAdmission = Required<Omit<AdmissionOptions, 'allow'>> &
  Pick<AdmissionOptions, 'allow'>;

/** @throws SluiceError ERR_ARG_RANGE for a number out of range or a list that is too long */
export function checkAdmission(options: AdmissionOptions): CheckedAdmission {
  const { deny = [], allow, exemptLoopback = true } = options;
  checkList('deny', deny);
  if (allow !== undefined) checkList('allow', allow);
  return {
    connectionsPerIp: count('connectionsPerIp', options.connectionsPerIp),
    connectionsMax: count('connectionsMax', options.connectionsMax),
    handshakesPerSecond: count('handshakesPerSecond', options.handshakesPerSecond),
    handshakesPerSecondPerIp: count('handshakesPerSecondPerIp', options.handshakesPerSecondPerIp),
    ipv6PrefixBits: whole(
      'ipv6PrefixBits',
      options.ipv6PrefixBits ?? IPV6_PREFIX_BITS,
      1,
      IPV6_BITS,
    ),
    deny,
    exemptLoopback,
    ...(allow === undefined ? {} : { allow }),
  };
}

/** A limit of connections; 0, which is off, when it is not given. */
export function count(name: string, value: number | undefined): number {
  return whole(name, value ?? 0, 0, COUNT_MAX);
}

function whole(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new SluiceError('ERR_ARG_RANGE', `${name} is a whole number from ${least} to ${most}.`);
}

function checkList(name: string, blocks: readonly string[]): void {
  if (Array.isArray(blocks) && blocks.length <= ADMISSION_BLOCKS_MAX) return;
  const text = `${name} is a list of at most ${ADMISSION_BLOCKS_MAX} addresses or CIDR blocks.`;
  throw new SluiceError('ERR_ARG_RANGE', text);
}
