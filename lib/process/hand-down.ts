// What a supervisor hands to the program of a worker at its start: one variable of the environment. The
// descriptors that it names are inherited.

import type { OpenAddress } from './listening-sockets.ts';

export const WORKER_VARIABLE = 'SLUICE_WORKER';
/** Of the child: standard input, output and error come first. */
const FIRST_DESCRIPTOR = 3;

export interface HandDown {
  readonly slot: number;
  readonly count: number;
  readonly serial: number;
  /** The folder of the supervisor's own socket, and of those of the bus. */
  readonly folder: string;
  /** With the numbers that descriptors have in the child. */
  readonly addresses: readonly OpenAddress[];
}

export function controlPathIn(folder: string): string {
  return `${folder}/control`;
}

/** The addresses as a child sees them, whose descriptors from 3 on are `descriptors`. */
export function renumbered(
  addresses: readonly OpenAddress[],
  descriptors: readonly number[],
): OpenAddress[] {
  return addresses.map((address) => ({
    ...address,
    fds: address.fds.map((fd) => FIRST_DESCRIPTOR + descriptors.indexOf(fd)),
  }));
}

/** Reads the variable and removes it: what the worker starts is no worker. */
export function takeHandDown(env: NodeJS.ProcessEnv): HandDown | undefined {
  const text = env[WORKER_VARIABLE];
  if (text === undefined || text === '') return undefined;
  delete env[WORKER_VARIABLE];
  return JSON.parse(text) as HandDown;
}
