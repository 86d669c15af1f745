import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { startReport } from '../../../src/composition/start/start-report.ts';
import { readConfig } from '../../../src/config/config.ts';

const at = (address: string, port = 3000) => ({ address, port, family: 'IPv4' });
const report = (env: Readonly<Record<string, string>>, ...bound: ReturnType<typeof at>[]) =>
  startReport(readConfig(env), bound.length > 0 ? bound : [at('127.0.0.1')]);

it('tells what an empty environment gives', () => {
  expect(report({})[0]).toEqual({
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    url: 'http://127.0.0.1:3000',
    address: '127.0.0.1:3000',
    anonymousAccess: true,
    apiKeys: 0,
    providers: 'placeholder',
    records: resolve('.data/easel.db'),
    pictures: resolve('media'),
    retention: 'pictures are kept for ever',
    budget: 'no limit',
    concurrency: 4,
    queueLimit: 1000,
  });
});

it('tells keys, providers with their models, retention and budget', () => {
  const env = {
    API_KEYS: 'a:one:read,b:two:generate',
    PROVIDERS: 'openai,azure,placeholder',
    OPENAI_API_KEY: 'sk-secret',
    PROVIDER_AZURE_BASE_URL: 'https://res.openai.azure.com',
    PROVIDER_AZURE_API_KEY: 'f00d',
    PROVIDER_AZURE_MODEL: 'pictures',
    RETENTION: '30d',
    RETENTION_BY_LABEL: 'draft:36h,test:90s',
    MEDIA_MAX_BYTES: '1000000',
    BUDGET_USD_PER_DAY: '50,blog:10',
  };
  const [fields] = report(env);
  expect(fields).toMatchObject({
    anonymousAccess: false,
    apiKeys: 2,
    providers: 'openai (gpt-image-2), azure (pictures), placeholder',
    retention: '30d for every picture, 36h for the label draft, 90s for the label test, 1000000 bytes for all files',
    budget: '$50 a day, $10 a day for blog',
  });
  expect(JSON.stringify(fields)).not.toMatch(/sk-secret|f00d/);
});

it.each([
  [[at('127.0.0.1', 8080)], '127.0.0.1:8080', /listens on http:\/\/127\.0\.0\.1:8080$/],
  [[at('0.0.0.0')], '0.0.0.0:3000', /listens on 0\.0\.0\.0:3000, here http:\/\/127\.0\.0\.1:3000$/],
  [[at('::')], '[::]:3000', /listens on \[::\]:3000, here http:\/\/\[::1\]:3000$/],
  [[at('127.0.0.1'), at('::1')], '127.0.0.1:3000, [::1]:3000', /listens on http:\/\/127\.0\.0\.1:3000$/],
  [[at('10.0.0.5')], '10.0.0.5:3000', /listens on http:\/\/10\.0\.0\.5:3000$/],
])('tells what is bound, and a URL that works: %j', (bound, address, message) => {
  const [fields, text] = report({}, ...bound);
  expect([fields.address, text]).toEqual([address, expect.stringMatching(message)]);
  expect(text).toContain(fields.url);
});
