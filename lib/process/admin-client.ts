// Asks the processes behind an admin socket (admin-socket.ts).

import { request } from 'node:http';

/** A reload waits for every new process to be ready. */
const ANSWER_MS_MAX = 300_000;

/** Nothing listens on the socket. */
export class NobodyThere extends Error {}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** @throws NobodyThere when nothing runs there, Error when it does not answer */
export function askAdmin(socketPath: string, method: 'GET' | 'POST', path: string) {
  return new Promise<Answer>((resolve, reject) => {
    const asking = request({ socketPath, method, path, timeout: ANSWER_MS_MAX }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = response.headers['content-type']?.startsWith('application/json') === true;
        // The server's own refusals are plain text.
        const body: unknown = isJson ? JSON.parse(text) : { detail: text };
        resolve({ status: response.statusCode ?? 0, body });
      });
    });
    asking.on('timeout', () => asking.destroy(new Error(`No answer at ${socketPath}.`)));
    asking.on('error', (error: NodeJS.ErrnoException) => {
      const isNobody = error.code === 'ENOENT' || error.code === 'ECONNREFUSED';
      reject(isNobody ? new NobodyThere(`Nothing runs here (${socketPath}).`) : error);
    });
    asking.end();
  });
}
