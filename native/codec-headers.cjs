// Whether the headers of what the second addon stands on are there: zlib and OpenSSL as Node exports
// them. Nodes from nodejs.org and NodeSource bring both; Debian's own takes them from zlib1g-dev and
// libssl-dev, whose libraries its Node links. binding.gyp asks, and leaves the addon out without them.

'use strict';

const { existsSync } = require('node:fs');
const { join } = require('node:path');

const SYSTEM_FOLDER = '/usr/include';
const WANTED = [
  { header: 'zlib.h', source: 'deps/zlib', debian: 'zlib1g-dev' },
  { header: 'openssl/ssl.h', source: 'deps/openssl/openssl/include', debian: 'libssl-dev' },
];

/**
 * @param {string} nodeRoot the folder that node-gyp takes Node's headers from
 * @param {string} system the folder of the system's headers
 * @returns {string[]} Debian packages that would bring what is missing
 */
function missingHeaders(nodeRoot, system = SYSTEM_FOLDER) {
  const isMissing = ({ header, source }) =>
    ![join(nodeRoot, 'include/node'), join(nodeRoot, source), system].some((folder) =>
      existsSync(join(folder, header)),
    );
  return WANTED.filter(isMissing).map(({ debian }) => debian);
}

module.exports = { missingHeaders };

if (require.main === module) {
  const missing = missingHeaders(process.argv[2] ?? '');
  if (missing.length > 0) {
    console.error(
      'sluice: built without TLS and permessage-deflate, since their headers are not there; ' +
        `for them: apt-get install ${missing.join(' ')}, and build again`,
    );
  }
  process.stdout.write(missing.length === 0 ? '1' : '0');
}
