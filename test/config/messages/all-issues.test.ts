import { expect, it } from 'vitest';
import { issuesOf } from '../issues-of.ts';
import { useExampleFiles } from './example-files.ts';

const files = useExampleFiles();

it('lists what is wrong with variables, files, contradictions and providers all at once', () => {
  const env = files.withPaths({
    PORT: 'x',
    HOST: '0.0.0.0',
    CONCURRENCY: '1e9',
    IMAGE_SIZE: '1x1',
    RETENTION: 'soon',
    LOG_LEVEL: 'loud',
    CORS_ORIGINS: 'https://a.example,b.example',
    DATABASE_URL: 'mysql://a',
    MODEL_ALIASES: 'a=no-such-model',
    API_KEYS: '',
    PRESETS: 'FOLDER',
    MODEL_CATALOG: '',
    C2PA_CERT: 'MISSING',
    C2PA_KEY: 'LIST',
    PROVIDERS: 'openai,azure,openai',
    PROVIDER_AZURE_BASEURL: 'https://res.openai.azure.com',
    S3_BUCKET: 'B',
    BUDGET_USD_PER_DAY: 'ten',
  });
  expect(issuesOf(env).map((line) => line.split(':')[0])).toEqual([
    'PORT',
    'CORS_ORIGINS',
    'IMAGE_SIZE',
    'CONCURRENCY',
    'BUDGET_USD_PER_DAY',
    'DATABASE_URL',
    'S3_BUCKET',
    'RETENTION',
    'LOG_LEVEL',
    'PROVIDERS',
    'HOST',
    'OPENAI_API_KEY',
    'PRESETS',
    'MODEL_ALIASES',
    'C2PA_CERT',
    'C2PA_KEY',
    'PROVIDER_AZURE_BASEURL',
    'PROVIDER_AZURE_BASE_URL',
    'PROVIDER_AZURE_API_KEY',
  ]);
});

it('sees no contradiction in what is wrong by itself', () => {
  expect(issuesOf({ HOST: '0.0.0.0', API_KEYS: 'x' })).toHaveLength(1);
  expect(issuesOf({ HOST: '0.0.0.0', ALLOW_ANONYMOUS: 'yes' })).toHaveLength(1);
  expect(issuesOf({ PROVIDERS: 'openai', OPENAI_BASE_URL: 'x' })).toHaveLength(1);
  expect(issuesOf({ MODEL_CATALOG: '/nowhere', MODEL_ALIASES: 'a=mine' })).toHaveLength(1);
});
