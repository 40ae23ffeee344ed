// Certificates made on the spot by the openssl program: no key is kept in the repository.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TestIdentity {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** Common name. */
  readonly name: string;
  /** Subject alternative names besides DNS:name. */
  readonly altNames?: readonly string[];
  /** Who signs it; absent: it signs itself and is an authority. */
  readonly issuer?: TestIdentity;
  /** Default ECDSA on P-256. */
  readonly rsaBits?: number;
  /** Encrypts the key. */
  readonly passphrase?: string;
  /** Default 2; a negative number makes one that has run out. */
  readonly days?: number;
}

export function makeCertificate(options: CertificateOptions): TestIdentity {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-certificate-'));
  try {
    return makeIn(folder, options);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function makeIn(folder: string, options: CertificateOptions): TestIdentity {
  const { name, altNames = [], issuer, rsaBits, passphrase, days = 2 } = options;
  const at = (file: string): string => join(folder, file);
  const algorithm =
    rsaBits === undefined
      ? ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
      : ['-newkey', `rsa:${rsaBits}`];
  const sealing = passphrase === undefined ? ['-nodes'] : ['-passout', `pass:${passphrase}`];
  const names = [`DNS:${name}`, ...altNames].join(',');
  writeFileSync(
    at('extensions'),
    `subjectAltName=${names}\nbasicConstraints=critical,CA:${issuer === undefined ? 'TRUE' : 'FALSE'}\n`,
  );
  openssl('req', '-new', ...algorithm, ...sealing, '-subj', `/O=Sluice test/CN=${name}`, [
    '-keyout',
    at('key.pem'),
    '-out',
    at('request.pem'),
  ]);
  let signer = ['-key', at('key.pem')];
  if (issuer === undefined) {
    if (passphrase !== undefined) signer = [...signer, '-passin', `pass:${passphrase}`];
  } else {
    writeFileSync(at('ca.pem'), issuer.cert);
    writeFileSync(at('ca-key.pem'), issuer.key);
    signer = ['-CA', at('ca.pem'), '-CAkey', at('ca-key.pem'), '-CAcreateserial'];
  }
  openssl('x509', '-req', '-in', at('request.pem'), ...signer, '-days', String(days), [
    '-extfile',
    at('extensions'),
    '-out',
    at('cert.pem'),
  ]);
  return { cert: readFileSync(at('cert.pem'), 'utf8'), key: readFileSync(at('key.pem'), 'utf8') };
}

function openssl(...args: readonly (string | readonly string[])[]): void {
  const result = spawnSync('openssl', args.flat(), { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`openssl: ${result.error?.message ?? result.stderr}`);
}
