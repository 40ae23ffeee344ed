// `npm start`: installs and builds what is missing, then is the sluice command, in this very process, so
// that signals reach it as they would without npm.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from './build.mjs';
import { root } from './project.mjs';

build();
const { main } = await import(pathToFileURL(join(root, 'dist', 'cli', 'main.js')).href);
process.exitCode = await main(process.argv.slice(2));
