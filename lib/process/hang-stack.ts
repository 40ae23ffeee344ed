// Where a worker hangs: its inspector is woken by SIGUSR1, found by its listening socket, and asked to pause.
// It works while the program is in an endless loop, since the inspector has a thread of its own.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { STACK_FRAMES_MAX, STACK_TIMEOUT_MS } from './limits.ts';

const LOOK_EVERY_MS = 20;
const STATE_LISTENS = '0A';
const LOOPBACK = '0100007F';

/** Option of node for workers, so that the inspector takes a port that is free. */
export const INSPECT_OPTION = '--inspect-port=127.0.0.1:0';

interface Frame {
  readonly functionName: string;
  readonly url: string;
  readonly location: { readonly lineNumber: number; readonly columnNumber: number };
}

/**
 * @param pid a child that was started with INSPECT_OPTION
 * @returns functions with their places, innermost first; empty when it could not be read in time
 */
export async function readStack(pid: number): Promise<readonly string[]> {
  const before = listeningPorts(pid);
  process.kill(pid, 'SIGUSR1');
  const signal = AbortSignal.timeout(STACK_TIMEOUT_MS);
  try {
    while (!signal.aborted) {
      const port = listeningPorts(pid).find((each) => !before.includes(each));
      if (port !== undefined) return await pausedStack(port, signal);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  } catch (error) {
    // Without the stack the worker is replaced all the same; the reason goes into the log with it.
    return [`the stack could not be read: ${String(error)}`];
  }
  return [];
}

/** The ports of the loopback address on which a process listens. */
function listeningPorts(pid: number): number[] {
  const inodes = new Set<string>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1];
    if (inode !== undefined) inodes.add(inode);
  }
  const ports: number[] = [];
  for (const line of readFileSync(`/proc/${pid}/net/tcp`, 'utf8').split('\n').slice(1)) {
    const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
    if (state !== STATE_LISTENS || !local.startsWith(LOOPBACK) || !inodes.has(inode)) continue;
    ports.push(Number.parseInt(local.slice(local.indexOf(':') + 1), 16));
  }
  return ports;
}

/** Empty for a descriptor that was closed between listing and looking. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

async function pausedStack(port: number, signal: AbortSignal): Promise<readonly string[]> {
  const answer = await fetch(`http://127.0.0.1:${port}/json/list`, { signal });
  const [target] = (await answer.json()) as { readonly webSocketDebuggerUrl: string }[];
  if (target === undefined) return [];
  // Node 20 has no WebSocket of its own, and it is needed here alone.
  const { WebSocket } = await import('undici');
  const socket = new WebSocket(target.webSocketDebuggerUrl);
  try {
    return await new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => resolve([]));
      socket.addEventListener('error', () => reject(new Error('the inspector does not answer')));
      socket.addEventListener('open', () => {
        socket.send('{"id":1,"method":"Debugger.enable"}');
        socket.send('{"id":2,"method":"Debugger.pause"}');
      });
      socket.addEventListener('message', ({ data }) => {
        const { method, params } = JSON.parse(String(data)) as Notice;
        if (method === 'Debugger.paused') resolve(namesOf(params.callFrames));
      });
    });
  } finally {
    socket.close();
  }
}

interface Notice {
  readonly method?: string;
  readonly params: { readonly callFrames: readonly Frame[] };
}

function namesOf(frames: readonly Frame[]): string[] {
  return frames.slice(0, STACK_FRAMES_MAX).map(({ functionName, url, location }) => {
    const place = `${url}:${location.lineNumber + 1}:${location.columnNumber + 1}`;
    return `${functionName === '' ? '(anonymous)' : functionName} (${place})`;
  });
}
