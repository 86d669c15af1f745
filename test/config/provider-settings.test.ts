import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/config.ts';
import { issuesOf } from './issues-of.ts';

const KEY = 'sk-secret';
const BACKUP = { PROVIDERS: 'backup', PROVIDER_BACKUP_BASE_URL: 'http://10.0.0.5:8080/v1' };

describe('settings of providers', () => {
  it('are read for each name in PROVIDERS, in its order', () => {
    const { providers } = readConfig({
      PROVIDERS: 'openai, azure-eu ,backup,placeholder',
      OPENAI_API_KEY: KEY,
      PROVIDER_OPENAI_PER_MINUTE: '5',
      PROVIDER_AZURE_EU_BASE_URL: 'https://res.openai.azure.com',
      PROVIDER_AZURE_EU_API_KEY: 'f00d',
      PROVIDER_AZURE_EU_MODEL: 'pictures',
      PROVIDER_BACKUP_BASE_URL: 'http://10.0.0.5:8080/v1',
      PROVIDER_BACKUP_OMIT: 'size, n',
      PROVIDER_BACKUP_EDITS: 'false',
      PROVIDER_BACKUP_STREAMING: 'false',
      PROVIDER_BACKUP_STRIP: '<sd_cpp_extra_args>,|',
      PROVIDER_BACKUP_CONCURRENCY: '1',
      PROVIDER_TOMORROW_MODEL: 'left alone',
    });
    const nothing = {
      baseURL: null,
      apiKey: null,
      model: null,
      apiVersion: '2025-04-01-preview',
      omit: [],
      edits: true,
      streaming: true,
      strip: [],
      concurrency: null,
      perMinute: null,
    };
    expect(providers).toEqual([
      { ...nothing, name: 'openai', kind: 'openai', apiKey: KEY, perMinute: 5 },
      {
        ...nothing,
        name: 'azure-eu',
        kind: 'azure',
        baseURL: 'https://res.openai.azure.com',
        apiKey: 'f00d',
        model: 'pictures',
      },
      {
        ...nothing,
        name: 'backup',
        kind: 'openai',
        baseURL: 'http://10.0.0.5:8080/v1',
        omit: ['size', 'n'],
        edits: false,
        streaming: false,
        strip: ['<sd_cpp_extra_args>', '|'],
        concurrency: 1,
      },
      { ...nothing, name: 'placeholder', kind: 'placeholder' },
    ]);
  });

  it.each([
    ['no address', { PROVIDERS: 'backup' }, 'PROVIDER_BACKUP_BASE_URL: is missing'],
    ['an empty address', { ...BACKUP, PROVIDER_BACKUP_BASE_URL: '' }, 'PROVIDER_BACKUP_BASE_URL: is missing'],
    ['an invalid address', { ...BACKUP, PROVIDER_BACKUP_BASE_URL: 'here' }, 'PROVIDER_BACKUP_BASE_URL: must be an'],
    ['a limit of 0', { ...BACKUP, PROVIDER_BACKUP_PER_MINUTE: '0' }, 'PROVIDER_BACKUP_PER_MINUTE: '],
    ['an unknown parameter', { ...BACKUP, PROVIDER_BACKUP_OMIT: 'prompt' }, 'PROVIDER_BACKUP_OMIT: '],
    ['an unknown setting', { ...BACKUP, PROVIDER_BACKUP_URL: KEY }, 'PROVIDER_BACKUP_URL: there is no such setting'],
    [
      'a version without Azure',
      { ...BACKUP, PROVIDER_BACKUP_API_VERSION: '1' },
      'PROVIDER_BACKUP_API_VERSION: is for Azure',
    ],
    [
      'Azure without a key',
      { PROVIDERS: 'azure', PROVIDER_AZURE_BASE_URL: 'https://res.openai.azure.com' },
      'PROVIDER_AZURE_API_KEY: is missing',
    ],
    [
      'a second name for a setting',
      { OPENAI_API_KEY: KEY, PROVIDER_OPENAI_MODEL: 'x' },
      'PROVIDER_OPENAI_MODEL: use IMAGE',
    ],
    ['a placeholder with settings', { PROVIDER_PLACEHOLDER_MODEL: 'x' }, 'PROVIDER_PLACEHOLDER_MODEL: the placeholder'],
    ['a key that no header can carry', { OPENAI_API_KEY: `${KEY}…` }, 'OPENAI_API_KEY: must be visible ASCII'],
    [
      'the same of another provider',
      { ...BACKUP, PROVIDER_BACKUP_API_KEY: `${KEY}\r` },
      'PROVIDER_BACKUP_API_KEY: must be visible ASCII',
    ],
    ['a provider twice', { ...BACKUP, PROVIDERS: 'backup,backup' }, 'PROVIDERS: must not name'],
    ['an invalid name', { PROVIDERS: 'My Server' }, 'PROVIDERS: must be a name'],
    ['no name at all', { ...BACKUP, PROVIDERS: 'backup,' }, 'PROVIDERS: entry 2: is empty'],
    ['a misspelt setting', { ...BACKUP, PROVIDER_BACKUP_MODLE: KEY }, 'is PROVIDER_BACKUP_MODEL meant?'],
  ])('%s is one issue that names its variable and does not quote its value', (_, env, issue) => {
    const issues = issuesOf(env);
    expect(issues).toEqual([expect.stringContaining(issue)]);
    expect(issues.join()).not.toContain(KEY);
  });

  it('are not confused with those of a provider with a longer name', () => {
    expect(issuesOf({ ...BACKUP, PROVIDER_BACKUP_TWO_MODEL: 'x' })).toEqual([]);
  });
});
