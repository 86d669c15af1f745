/** Reads the files that settings name, once, at the start. Their issues are reported together with those of the variables. */

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ModelFacts } from '../../core/models/catalog.ts';
import { parseCatalog } from '../../core/models/catalog-file.ts';
import { BUILT_IN_PRESETS } from '../../core/planning/built-in-presets.ts';
import { parsePresets } from '../../core/planning/preset-file.ts';
import type { DescribedPresets } from '../../core/planning/presets.ts';
import { parseKeyFile } from '../../security/api-keys.ts';
import { readFault } from '../messages/read-fault.ts';
import { type ReferenceFiles, type ReferenceLimits, readReferenceFiles } from './reference-files.ts';

/** The issues of one file, in lines like those for variables. The path is not quoted: it may be a key in the wrong variable. */
class ConfigFileError extends Error {
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

/** Presets, and the bytes of their reference pictures. */
export interface PresetFiles {
  readonly presets: DescribedPresets;
  readonly referenceFiles: ReferenceFiles;
}

/**
 * The built-in presets, with those of the file laid over them, and the reference pictures beside that file. Raises `ConfigFileError` with
 * the path of every wrong field or picture.
 */
export function readPresets(path: string | undefined, limits: ReferenceLimits): PresetFiles {
  if (path === undefined) return WITHOUT_OWN_PRESETS;
  const parsed = parsePresets(readJson('PRESETS', path));
  if ('issues' in parsed) throw presetIssues(parsed.issues);
  const { files, issues } = readReferenceFiles(parsed.presets, path, limits);
  if (issues.length > 0) throw presetIssues(issues);
  return { presets: parsed.presets, referenceFiles: files };
}

function presetIssues(issues: readonly { readonly path: string; readonly message: string }[]): ConfigFileError {
  return new ConfigFileError(issues.map(({ path, message }) => `PRESETS: ${path}: ${message}`));
}

/** The presets where no file is set. */
export const WITHOUT_OWN_PRESETS: PresetFiles = { presets: BUILT_IN_PRESETS, referenceFiles: new Map() };

/** The models of the file by id; none where no file is set. Raises `ConfigFileError` with the path of every wrong field. */
export function readModels(path: string | undefined): ReadonlyMap<string, Partial<ModelFacts>> {
  if (path === undefined) return new Map();
  const parsed = parseCatalog(readJson('MODEL_CATALOG', path));
  if ('models' in parsed) return parsed.models;
  throw new ConfigFileError(parsed.issues.map((message) => `MODEL_CATALOG: ${message}`));
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

  const issues: string[] = [];
  const chain = readOrCollect(() => readCertificates(certificatePath), issues);
  const key = readOrCollect(() => readKey(keyPath), issues);
  if (chain === null || key === null) throw new ConfigFileError(issues);
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

/** The result of `read`, or null after adding the issues of its file to `issues`. */
export function readOrCollect<T>(read: () => T, issues: string[]): T | null {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigFileError)) throw error;
    issues.push(...error.issues);
    return null;
  }
}

function readText(variable: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw issue(variable, readFault(error));
  }
}

function readJson(variable: string, path: string): unknown {
  const text = readText(variable, path);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw issue(variable, `the file is not valid JSON${placeOf(error as SyntaxError, text)}`);
  }
}

/**
 * The line at which V8 gave up, as ` (near line 3)`; empty where its message does not say. The message itself quotes the file, which may be
 * one with secrets that was named by mistake.
 */
function placeOf({ message }: SyntaxError, text: string): string {
  const [, line] = /\(line (\d+) column \d+\)/.exec(message) ?? [];
  if (line !== undefined) return ` (near line ${line})`;
  const [, quoted] = /, (?:\.\.\.)?"(.+?)"(?:\.\.\.)? is not valid JSON$/s.exec(message) ?? [];
  const at = quoted === undefined ? -1 : text.indexOf(quoted);
  return at === -1 ? '' : ` (near line ${text.slice(0, at + (quoted ?? '').length / 2).split('\n').length})`;
}

function issue(variable: string, message: string): ConfigFileError {
  return new ConfigFileError([`${variable}: ${message}`]);
}
