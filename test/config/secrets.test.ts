import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/config.ts';
import { secretsIn } from '../../src/config/secrets.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { issuesOf } from './issues-of.ts';

const WEBHOOK = Buffer.alloc(24, 7).toString('base64');

describe('the mask of a configuration knows', () => {
  it.each([
    ['OPENAI_API_KEY', 'openai-key', ['openai-key']],
    ['PROVIDER_BACKUP_API_KEY', 'backup-key', ['backup-key']],
    ['API_KEYS', 'blog:se:cr:et:read,shop:another:read', ['se:cr:et', 'another']],
    ['MEDIA_URL_SECRET', 'm'.repeat(32), ['m'.repeat(32)]],
    ['WEBHOOK_SECRET', `whsec_${WEBHOOK}`, [`whsec_${WEBHOOK}`, WEBHOOK]],
    ['WEBHOOK_URLS', 'blog=https://me:hunter22@a.example/b', ['hunter22', 'me:hunter22', btoa('me:hunter22')]],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://me:hunter22@collector', ['hunter22', btoa('me:hunter22')]],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'authorization=Bearer%20collector-key,x-a=b', ['collector-key']],
  ])('%s', (name, value, secrets) => {
    const { mask } = readConfig({ [name]: value }).secrets;
    for (const secret of secrets) expect(mask(`a ${secret} b`)).toMatch(/^a \[secret\]=* b$/);
  });

  it('the keys in a file', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'keys');
    await writeFile(path, 'blog:hunter22:read\n');
    expect(readConfig({ API_KEYS_FILE: path }).secrets.mask('hunter22')).toBe('[secret]');
  });

  it('the password of a database', () => {
    expect(secretsIn({ DATABASE_URL: 'postgres://easel:hunter%2122@db/easel' })).toContain('hunter!22');
  });
});

it.each([
  ['OPENAI_BASE_URL', { OPENAI_API_KEY: 'openai-key' }],
  ['PROVIDER_BACKUP_BASE_URL', { PROVIDERS: 'backup' }],
])('%s with a password or a user is refused by its name, and nothing of it is quoted', (name, env) => {
  for (const credentials of ['me:hunter22', 'me', ':hunter22']) {
    const issues = issuesOf({ ...env, [name]: `http://${credentials}@127.0.0.1/v1` });
    expect(issues).toEqual([expect.stringMatching(new RegExp(`^${name}: must hold no user and no password`))]);
    expect(issues[0]).not.toContain('hunter22');
  }
});
