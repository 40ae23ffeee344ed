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
  const certFile = join(folder, 'cert.pem');
  const keyFile = join(folder, 'key.pem');
  const algorithm =
    rsaBits === undefined
      ? ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
      : ['-newkey', `rsa:${rsaBits}`];
  const args = ['req', '-x509', ...algorithm, '-subj', `/O=Sluice test/CN=${name}`];
  args.push('-days', String(days), '-keyout', keyFile, '-out', certFile);
  args.push('-addext', `subjectAltName=${[`DNS:${name}`, ...altNames].join(',')}`);
  args.push(...(passphrase === undefined ? ['-nodes'] : ['-passout', `pass:${passphrase}`]));
  if (issuer !== undefined) {
    writeFileSync(join(folder, 'ca.pem'), issuer.cert);
    writeFileSync(join(folder, 'ca-key.pem'), issuer.key);
    args.push('-CA', join(folder, 'ca.pem'), '-CAkey', join(folder, 'ca-key.pem'));
    args.push('-addext', 'basicConstraints=critical,CA:FALSE');
  }
  const result = spawnSync('openssl', args, { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`openssl: ${result.error?.message ?? result.stderr}`);
  return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
}
