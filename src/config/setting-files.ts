/** Reads the files that settings name, once, at the start. Their issues are reported together with those of the variables. */

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BUILT_IN_PRESETS } from '../core/planning/built-in-presets.ts';
import { parsePresets } from '../core/planning/preset-file.ts';
import type { Presets } from '../core/planning/presets.ts';
import { parseKeyFile } from '../security/api-keys.ts';

/** The issues of one file, in lines like those for variables. The path is not quoted: it may be a key in the wrong variable. */
export class ConfigFileError extends Error {
  override readonly name = 'ConfigFileError';
  readonly issues: readonly string[];

  constructor(issues: readonly string[]) {
    super(issues.join('\n'));
    this.issues = issues;
  }
}

/** The API keys in the file; none where no file is set. Raises `ConfigFileError`, also for a file without a key. */
export function readKeys(path: string | undefined): Pick<ReturnType<typeof parseKeyFile>, 'keys' | 'secrets'> {
  if (path === undefined) return { keys: [], secrets: [] };
  const { keys, secrets, issues } = parseKeyFile(readText('API_KEYS_FILE', path));
  if (issues.length > 0) throw new ConfigFileError(issues.map((message) => `API_KEYS_FILE: ${message}`));
  if (keys.length === 0) throw issue('API_KEYS_FILE', 'there is no key in the file');
  return { keys, secrets };
}

/** The built-in presets, with those of the file laid over them. Raises `ConfigFileError` with the path of every wrong field. */
export function readPresets(path: string | undefined): Presets {
  if (path === undefined) return BUILT_IN_PRESETS;
  const text = readText('PRESETS', path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw issue('PRESETS', `the file is not valid JSON: ${(error as SyntaxError).message}`);
  }
  const parsed = parsePresets(value);
  if ('presets' in parsed) return parsed.presets;
  throw new ConfigFileError(parsed.issues.map(({ path, message }) => `PRESETS: ${path}: ${message}`));
}

/** The signer's certificate chain, its own certificate first, and its private key. */
export interface SigningFiles {
  readonly chain: readonly [X509Certificate, ...X509Certificate[]];
  readonly key: KeyObject;
}

/**
 * Reads the certificate chain and the private key, both PEM; null where neither is set. Raises `ConfigFileError`, also where
 * they do not belong together or the certificate is not valid at `now` (milliseconds since 1970).
 */
export function readSigningFiles(
  certificatePath: string | undefined,
  keyPath: string | undefined,
  now: number,
): SigningFiles | null {
  if (certificatePath === undefined && keyPath === undefined) return null;
  if (certificatePath === undefined) throw issue('C2PA_CERT', 'is missing, and C2PA_KEY is set');
  if (keyPath === undefined) throw issue('C2PA_KEY', 'is missing, and C2PA_CERT is set');

  const chain = readCertificates(certificatePath);
  const key = readKey(keyPath);
  const [own] = chain;
  if (!own.checkPrivateKey(key)) throw issue('C2PA_KEY', 'is not the key of the first certificate in C2PA_CERT');
  if (now < own.validFromDate.getTime())
    throw issue('C2PA_CERT', `the certificate is not valid before ${own.validFrom}`);
  if (now > own.validToDate.getTime()) throw issue('C2PA_CERT', `the certificate expired on ${own.validTo}`);
  return { chain, key };
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function readCertificates(path: string): SigningFiles['chain'] {
  const blocks = readText('C2PA_CERT', path).match(PEM_CERTIFICATE) ?? [];
  try {
    const [own, ...issuers] = blocks.map((block) => new X509Certificate(block));
    if (own) return [own, ...issuers];
  } catch {
    throw issue('C2PA_CERT', 'the file has a certificate that cannot be read');
  }
  throw issue('C2PA_CERT', 'the file has no certificate in PEM (-----BEGIN CERTIFICATE-----)');
}

function readKey(path: string): KeyObject {
  const text = readText('C2PA_KEY', path);
  if (/^-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(text)) {
    throw issue('C2PA_KEY', 'the key is encrypted; take the passphrase off it');
  }
  try {
    return createPrivateKey(text);
  } catch {
    // OpenSSL's message is left out, as it could quote the key file.
    throw issue('C2PA_KEY', 'the file has no private key in PEM (-----BEGIN PRIVATE KEY-----)');
  }
}

function readText(variable: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw issue(variable, `the file cannot be read (${code})`);
  }
}

function issue(variable: string, message: string): ConfigFileError {
  return new ConfigFileError([`${variable}: ${message}`]);
}
