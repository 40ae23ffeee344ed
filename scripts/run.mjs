// `npm start`: installs and builds what is missing, then becomes the sluice command.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { build } from './build.mjs';
import { root } from './project.mjs';

build();
const child = spawn(process.execPath, [join(root, 'bin', 'sluice.mjs'), ...process.argv.slice(2)], {
  stdio: 'inherit',
});
// The terminal signals the whole group; a service manager only this process.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 128 + 15));
