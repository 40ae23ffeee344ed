// TLS in several threads of one process, which end in the middle of it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { makeCertificate } from '../support/certificates.ts';

const CHILD = fileURLToPath(new URL('../support/children/tls-workers.mjs', import.meta.url));

test.each(['close', 'terminate'])(
  'two worker threads serve TLS and end by %s, and nothing of it is left',
  async (way) => {
    const { cert, key } = makeCertificate({ name: 'localhost' });
    const env = { ...process.env, CERT: cert, KEY: key };
    const child = spawn(process.execPath, [CHILD, way], { env });
    const exited = once(child, 'exit');
    const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
    expect(errors).toBe('');
    expect(JSON.parse(output)).toEqual({ answers: [true, true, true, true], channels: 0 });
    expect(await exited).toEqual([0, null]);
  },
);
