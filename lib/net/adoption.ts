// Checks of Loop.adopt, and what its refusals mean.

import { SluiceError } from '../base/errors.ts';
import type { NativeLoop } from '../native/binding.ts';
import { ERROR_NAMES, errorName } from '../native/error-names.ts';
import { ADOPT_HEAD_BYTES_MAX } from '../native/layout.ts';
import type { AdoptOptions } from './types.ts';

const DESCRIPTOR_MAX = 0x7fffffff;
const NO_BYTES = new Uint8Array(0);

const DESCRIPTOR_FAULTS: Readonly<Record<number, string>> = {
  [ERROR_NAMES.EBADF]: 'is not open',
  [ERROR_NAMES.ENOTSOCK]: 'is not a socket',
  [ERROR_NAMES.EPROTOTYPE]: 'is not a TCP or Unix stream socket',
  [ERROR_NAMES.EINVAL]: 'listens',
  [ERROR_NAMES.ENOTCONN]: 'is not connected',
  [ERROR_NAMES.EEXIST]: 'was adopted already',
};

/** @returns the id of the new connection @throws SluiceError as Loop.adopt says */
export function adoptNative(native: NativeLoop, fd: number, options: AdoptOptions): number {
  const { head = NO_BYTES, duplicate = false } = options;
  if (!Number.isInteger(fd) || fd < 0 || fd > DESCRIPTOR_MAX) {
    throw new SluiceError('ERR_ARG_RANGE', 'fd must be a descriptor.');
  }
  if (head.length > ADOPT_HEAD_BYTES_MAX) {
    throw new SluiceError('ERR_ARG_RANGE', `head has at most ${ADOPT_HEAD_BYTES_MAX} bytes.`);
  }
  const id = native.adopt(fd, duplicate, head);
  if (id >= 0) return id;
  const details = { errno: id, syscall: 'adopt' };
  const fault = DESCRIPTOR_FAULTS[id];
  if (fault !== undefined) {
    throw new SluiceError('ERR_DESCRIPTOR', `Descriptor ${fd} ${fault}.`, details);
  }
  throw new SluiceError('ERR_SYSTEM', `adopt ${errorName(id)} descriptor ${fd}`, details);
}
