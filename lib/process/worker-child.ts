// The process of a worker: started by us, or by the program whose place we have taken, so that Node knows
// nothing of it.

import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { ERROR_NAMES, errorName } from '../native/error-names.ts';
import { loadNative } from '../native/load.ts';
import { EPOLLIN, Poller } from '../net/poller.ts';
import { type HandDown, WORKER_VARIABLE } from './hand-down.ts';
import { INSPECT_OPTION } from './hang-stack.ts';
import type { ResolvedOptions } from './options.ts';

export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface WorkerChild {
  /** 0 when there was no process. */
  readonly pid: number;
  /** Resolves once, when the process is gone. */
  readonly ended: Promise<Ending>;
  kill(signal: NodeJS.Signals): void;
}

/** What waitProcess() adds to a signal's number. */
const ENDED_BY_SIGNAL = 256;

/** @param descriptors from 3 on in the child */
export function startWorker(
  options: ResolvedOptions,
  handDown: HandDown,
  descriptors: readonly number[],
): WorkerChild {
  const args = [...execArgvOf(options), options.script, ...options.args];
  const child = spawn(process.execPath, args, {
    stdio: [0, 1, 2, ...descriptors],
    env: { ...process.env, ...options.env(), [WORKER_VARIABLE]: JSON.stringify(handDown) },
  });
  const ended = new Promise<Ending>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    // There was no process: no memory, no descriptors, no such file.
    child.once('error', (error) => resolve({ code: null, signal: error.message }));
  });
  return { pid: child.pid ?? 0, ended, kill: (signal) => void child.kill(signal) };
}

function execArgvOf(options: ResolvedOptions): readonly string[] {
  const isInspected = options.execArgv.some((option) => option.startsWith('--inspect'));
  if (options.hangTimeoutMs === 0 || isInspected) return options.execArgv;
  return [...options.execArgv, INSPECT_OPTION];
}

/** Children that we have not started: each is watched by a descriptor, and waited for. */
export class InheritedChildren {
  #poller: Poller | undefined;

  /** @param pid a child of this process; it may have ended already */
  watch(pid: number): WorkerChild {
    const fd = loadNative().openProcess(pid);
    if (fd < 0) {
      // It is none, and its number may be another's: nothing is ever sent there.
      const ending = { code: null, signal: `pidfd_open ${errorName(fd)}` };
      return { pid, ended: Promise.resolve(ending), kill: () => undefined };
    }
    const ended = new Promise<Ending>((resolve) => this.#whenEnded(fd, resolve));
    return { pid, ended, kill: (signal) => void process.kill(pid, signal) };
  }

  #whenEnded(fd: number, resolve: (ending: Ending) => void): void {
    const poller = this.#poller ?? new Poller();
    this.#poller = poller;
    poller.add(fd, EPOLLIN, () => {
      const ending = loadNative().waitProcess(fd);
      if (ending === ERROR_NAMES.EAGAIN) return;
      poller.remove(fd);
      closeSync(fd);
      resolve(endingOf(ending));
      if (poller.size > 0) return;
      poller.close();
      this.#poller = undefined;
    });
  }
}

function endingOf(status: number): Ending {
  if (status < 0) return { code: null, signal: `waitid ${errorName(status)}` };
  if (status < ENDED_BY_SIGNAL) return { code: status, signal: null };
  const number = status - ENDED_BY_SIGNAL;
  const names = Object.entries(constants.signals);
  const name = names.find((entry) => entry[1] === number)?.[0];
  return { code: null, signal: name ?? `signal ${number}` };
}
