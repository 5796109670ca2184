import { generateKeyPairSync } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { output } from './exec.ts';

/** A certificate and its private key, as files. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** Whom a certificate names. For Kubernetes the common name is the user and the organization the group. */
export interface Subject {
  readonly commonName: string;
  readonly organization?: string;
  /** As openssl writes them: "IP:127.0.0.1", "DNS:localhost". */
  readonly alternatives?: readonly string[];
}

/** Makes a certificate authority: FOLDER/NAME.crt and NAME.key. */
export async function makeAuthority(folder: string, name: string): Promise<KeyPair> {
  const pair = await makeKey(folder, name);
  await certify(pair, { commonName: name }, [
    'basicConstraints=critical,CA:TRUE',
    'keyUsage=critical,keyCertSign,cRLSign',
  ]);
  return pair;
}

/** Makes a certificate that serves both servers and clients: FOLDER/NAME.crt and NAME.key. */
export async function issue(authority: KeyPair, folder: string, name: string, subject: Subject): Promise<KeyPair> {
  const pair = await makeKey(folder, name);
  const extensions = [
    'basicConstraints=critical,CA:FALSE',
    'keyUsage=critical,digitalSignature,keyEncipherment',
    'extendedKeyUsage=serverAuth,clientAuth',
    ...(subject.alternatives ? [`subjectAltName=${subject.alternatives.join(',')}`] : []),
  ];
  await certify(pair, subject, extensions, authority);
  return pair;
}

/** Makes a key alone, with its public half beside it, for signing service account tokens. */
export async function makeSigningKey(
  folder: string,
  name: string,
): Promise<{ readonly key: string; readonly pub: string }> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const files = { key: join(folder, `${name}.key`), pub: join(folder, `${name}.pub`) };
  await writeFile(files.key, privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 });
  await writeFile(files.pub, publicKey.export({ type: 'spki', format: 'pem' }));
  return files;
}

async function makeKey(folder: string, name: string): Promise<KeyPair> {
  await mkdir(folder, { recursive: true });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pair = { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
  await writeFile(pair.key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  return pair;
}

async function certify(
  pair: KeyPair,
  subject: Subject,
  extensions: readonly string[],
  authority?: KeyPair,
): Promise<void> {
  // The machine's own openssl.cnf would add extensions.
  const config = `${pair.cert}.cnf`;
  await writeFile(config, `[req]\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\n[ext]\n${extensions.join('\n')}\n`);
  const name = `${subject.organization ? `/O=${subject.organization}` : ''}/CN=${subject.commonName}`;
  const signer = authority ? ['-CA', authority.cert, '-CAkey', authority.key] : [];
  await output([
    ...['openssl', 'req', '-x509', '-new', '-sha256', '-days', '3650', '-config', config],
    ...['-key', pair.key, '-subj', name, '-out', pair.cert, ...signer],
  ]);
}
