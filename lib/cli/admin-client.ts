// Asks a running gateway on the socket in its data folder.

import { request } from 'node:http';
import { join } from 'node:path';
import { configError, loadConfig } from '../gateway/config.ts';
import { ADMIN_SOCKET } from './data-files.ts';

/** A reload waits for every new process to be ready. */
const ANSWER_MS_MAX = 300_000;

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** @throws SluiceError ERR_CONFIG with every fault */
export function adminSocketOf(configFile: string | undefined): string {
  const { config, faults } = loadConfig(configFile, process.env);
  if (config === undefined) throw configError(faults);
  return join(config.data, ADMIN_SOCKET);
}

/** @throws Error when nothing runs there, or it does not answer */
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
      reject(isNobody ? new Error(`No gateway runs here (${socketPath}).`) : error);
    });
    asking.end();
  });
}
