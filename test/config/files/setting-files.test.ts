import { createPrivateKey } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from '../../../src/config/config.ts';
import { signingIdentity, type TestIdentity } from '../../support/credentials.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

let own: TestIdentity;
let other: TestIdentity;

beforeAll(async () => {
  [own, other] = await Promise.all([signingIdentity(), signingIdentity()]);
});

/** The issues where each variable names a file with this content; null for a file that does not exist. */
async function issuesOf(files: Readonly<Record<string, string | null>>, now = Date.now()): Promise<readonly string[]> {
  await using folder = await temporaryFolder();
  const env: Record<string, string> = {};
  for (const [variable, content] of Object.entries(files)) {
    env[variable] = join(folder.path, variable);
    if (content !== null) await writeFile(env[variable], content);
  }
  try {
    readConfig(env, now);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.issues;
    throw error;
  }
}

describe('C2PA_CERT and C2PA_KEY', () => {
  it('are read as PEM, with the chain', async () => {
    expect(await issuesOf({ C2PA_CERT: own.certificatePem, C2PA_KEY: own.keyPem })).toEqual([]);
  });

  it.each<[string, () => Record<string, string | null>, ...string[]]>([
    ['no key', () => ({ C2PA_CERT: own.certificatePem }), 'C2PA_KEY: is missing'],
    ['no certificate', () => ({ C2PA_KEY: own.keyPem }), 'C2PA_CERT: is missing'],
    ['no file', () => ({ C2PA_CERT: null, C2PA_KEY: own.keyPem }), 'C2PA_CERT: there is no file at this path'],
    [
      'the files exchanged',
      () => ({ C2PA_CERT: own.keyPem, C2PA_KEY: own.certificatePem }),
      'C2PA_CERT: the file has no certificate',
      'C2PA_KEY: the file has no private key',
    ],
    [
      'a broken certificate',
      () => ({ C2PA_CERT: own.certificatePem.replace('MII', 'MIJ'), C2PA_KEY: own.keyPem }),
      'C2PA_CERT: the file has a certificate that cannot be read',
    ],
    [
      'a broken key',
      () => ({ C2PA_CERT: own.certificatePem, C2PA_KEY: own.keyPem.slice(0, 80) }),
      'C2PA_KEY: the file has no private key',
    ],
    [
      'an encrypted key',
      () => ({ C2PA_CERT: own.certificatePem, C2PA_KEY: encrypted(own) }),
      'C2PA_KEY: the key is encrypted',
    ],
    ["another's key", () => ({ C2PA_CERT: own.certificatePem, C2PA_KEY: other.keyPem }), 'C2PA_KEY: is not the key'],
  ])('are refused with %s, and nothing of the key is quoted', async (_name, files, ...expected) => {
    const issues = await issuesOf(files());
    expect(issues).toEqual(expected.map((issue) => expect.stringContaining(issue)));
    expect(issues.join()).not.toContain(own.keyPem.split('\n')[1]);
  });

  it.each([
    [30, 'expired'],
    [-30, 'not valid before'],
  ])('are refused %i days away', async (days, reason) => {
    const now = Date.now() + days * 86_400_000;
    const issues = await issuesOf({ C2PA_CERT: own.certificatePem, C2PA_KEY: own.keyPem }, now);
    expect(issues).toEqual([expect.stringContaining(reason)]);
  });
});

describe('PRESETS', () => {
  it.each([
    [null, ['PRESETS: there is no file at this path']],
    ['{', [expect.stringMatching(/^PRESETS: the file is not valid JSON/)]],
    [
      '{"poster": {"size": "9x9"}}',
      [expect.stringMatching(/^PRESETS: poster\.description: /), expect.stringMatching(/^PRESETS: poster\.size: /)],
    ],
  ])('is refused with every issue: %s', async (content, issues) => {
    expect(await issuesOf({ PRESETS: content })).toEqual(issues);
  });

  it('is reported in one list with the other issues', async () => {
    const variables = (error: unknown) =>
      error instanceof ConfigError ? error.issues.map((issue) => issue.split(':')[0]) : [];
    try {
      readConfig({ PORT: 'x', PRESETS: '/nowhere', C2PA_KEY: '/nowhere' });
      expect.unreachable();
    } catch (error) {
      expect(variables(error)).toEqual(['PORT', 'PRESETS', 'C2PA_CERT']);
    }
  });
});

function encrypted({ keyPem }: TestIdentity): string {
  const options = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' } as const;
  return createPrivateKey(keyPem).export(options).toString();
}
