import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCommandConfig, readConfig } from '../../src/config/config.ts';
import { findKey } from '../../src/security/api-keys.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { issuesOf } from './issues-of.ts';

describe('readConfig', () => {
  it('reads an empty environment', () => {
    expect(readConfig({})).toMatchObject({
      server: { host: '127.0.0.1', port: 3000 },
      providers: [{ name: 'placeholder' }],
      defaults: {
        size: { width: 1792, height: 1024 },
        renditions: [{ width: 1200, height: 675, format: 'png' }],
      },
      records: { path: '.data/easel.db' },
    });
  });

  it('treats an empty variable as unset, and uses OpenAI as soon as there is a key', () => {
    expect(readConfig({ PORT: '', OPENAI_API_KEY: 'sk-x' })).toMatchObject({
      server: { port: 3000 },
      providers: [{ name: 'openai' }],
    });
  });

  it('lets a stop wait for a call 15 s longer than the call may take', () => {
    expect(readConfig({}).shutdownGraceMs).toBe(315_000);
    expect(readConfig({ GENERATION_TIMEOUT_SECONDS: '20' }).shutdownGraceMs).toBe(35_000);
    expect(readConfig({ SHUTDOWN_GRACE_SECONDS: '0' }).shutdownGraceMs).toBe(0);
  });

  it.each([
    ['PORT', '70000'],
    ['PORT', '3.5'],
    ['IMAGE_SIZE', '1792×1024'],
    ['IMAGE_RENDITIONS', '1200x675.gif'],
    ['IMAGE_QUALITY', 'best'],
    ['RETENTION', '30'],
    ['RETRY_MAX_ATTEMPTS', '0'],
    ['LOG_PROMPTS', 'yes'],
    ['DATABASE_URL', 'mysql://x'],
    ['OPENAI_BASE_URL', 'ftp://x'],
    ['PROVIDERS', ','],
    ['BUDGET_USD_PER_DAY', 'ten'],
    ['BUDGET_USD_PER_DAY', '50,'],
    ['BUDGET_USD_PER_DAY', '50,60'],
    ['BUDGET_USD_PER_DAY', 'blog:1,blog:2'],
    ['BUDGET_USD_PER_DAY', '-1'],
    ['MODEL_CATALOG', '/nowhere/models.json'],
    ['MODEL_ALIASES', 'dall-e-3'],
    ['MODEL_ALIASES', 'dall-e-3=gpt-imgae-2'],
  ])('refuses %s=%s, naming it', (name, value) => {
    expect(issuesOf({ [name]: value, OPENAI_API_KEY: 'sk-secret' })).toEqual([expect.stringMatching(`^${name}: `)]);
  });

  it.each([
    ['50', 50, {}],
    ['0', 0, {}],
    ['12.5,blog:10,shop:0.25', 12.5, { blog: 10, shop: 0.25 }],
    ['blog:10', null, { blog: 10 }],
  ])('reads the budget %s', (text, usdPerDay, keys) => {
    const { budget } = readConfig({ BUDGET_USD_PER_DAY: text });
    expect([budget.usdPerDay, Object.fromEntries(budget.usdPerDayOfKey)]).toEqual([usdPerDay, keys]);
  });

  it('builds one catalog from the built-in models, the file and the aliases', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'models.json');
    await writeFile(path, '{"my-own": {"promptLimit": 77}}');
    const { catalog } = readConfig({ MODEL_CATALOG: path, MODEL_ALIASES: 'dall-e-3=my-own, dall-e-2=gpt-image-2' });
    expect(catalog.get('dall-e-3')).toMatchObject({ id: 'my-own', promptLimit: 77 });
    expect(catalog.get('dall-e-2')).toMatchObject({ id: 'gpt-image-2', alias: 'dall-e-2' });
  });

  it('names every issue at once, and never quotes a key', () => {
    const issues = issuesOf({ PORT: 'x', RETENTION: 'x', OPENAI_API_KEY: 'sk-secret' });
    expect(issues).toHaveLength(2);
    expect(issues.join()).not.toContain('sk-secret');
  });
});

describe('HOST beyond loopback', () => {
  it.each([
    [{ HOST: '0.0.0.0' }, false],
    [{ HOST: '::' }, false],
    [{ HOST: '192.168.1.2' }, false],
    [{ HOST: 'example.com' }, false],
    [{ HOST: '0.0.0.0', ALLOW_ANONYMOUS: 'true' }, true],
    [{ HOST: '0.0.0.0', API_KEYS: 'a:b:read' }, true],
    [{ HOST: '127.0.0.1' }, true],
    [{ HOST: '::1' }, true],
    [{ HOST: 'localhost' }, true],
  ])('%j: %s', (env, taken) => {
    expect(issuesOf(env).length === 0).toBe(taken);
    if (!taken) expect(issuesOf(env)[0]).toMatch(/^HOST: .*API_KEYS.*ALLOW_ANONYMOUS/);
  });

  it.each([
    [{ HOST: '127.0.0.1' }, 'open'],
    [{ HOST: '127.0.0.1', API_KEYS: 'a:b:read' }, 'open'],
    [{ HOST: '0.0.0.0', API_KEYS: 'a:b:read' }, 'keyed'],
    [{ HOST: '0.0.0.0', API_KEYS: 'a:b:read', METRICS_ACCESS: 'open', DOCS_ACCESS: 'open' }, 'open'],
    [{ HOST: '127.0.0.1', METRICS_ACCESS: 'keyed', DOCS_ACCESS: 'keyed' }, 'keyed'],
  ])('keeps metrics and docs for keys off loopback unless set otherwise: %j', (env, access) => {
    const { metricsAccess, docsAccess } = readConfig(env).server;
    expect([metricsAccess, docsAccess]).toEqual([access, access]);
  });

  it('refuses the access level of earlier versions with the word to write in its place', () => {
    expect(issuesOf({ METRICS_ACCESS: 'admin', DOCS_ACCESS: 'admin' })).toEqual([
      expect.stringMatching(/^METRICS_ACCESS: admin is now written keyed/),
      expect.stringMatching(/^DOCS_ACCESS: admin is now written keyed/),
    ]);
  });
});

describe('values', () => {
  it.each([
    ['API_KEYS', 'hunter2'],
    ['API_KEYS', 'a:hunter2:write'],
    ['API_KEYS_FILE', '/nowhere/keys'],
    ['MEDIA_ACCESS', 'secret'],
    ['MEDIA_URL_SECRET', 'hunter2'],
    ['METRICS_ACCESS', 'public'],
    ['RATE_LIMIT_PER_MINUTE', 'many'],
    ['TRUST_PROXY', 'yes'],
    ['TRUST_PROXY', '10.0.0.0/40'],
    ['TRUST_PROXY', '10.0.0.1,'],
    ['CORS_ORIGINS', 'https://a.example/'],
    ['CORS_ORIGINS', 'a.example'],
    ['FETCH_ALLOW_HOSTS', 'http://a'],
    ['WEBHOOK_SECRET', 'hunter2'],
    ['WEBHOOK_SECRET', 'whsec_aHVudGVyMg=='],
    ['WEBHOOK_URLS', 'https://hunter2.example'],
    ['WEBHOOK_URLS', 'blog=ftp://hunter2.example'],
    ['WEBHOOK_ALLOW_HOSTS', 'http://a'],
  ])('%s=%s is refused, and not quoted', (name, value) => {
    const issues = issuesOf({ [name]: value });
    expect(issues).toHaveLength(1);
    expect(issues[0]).toMatch(new RegExp(`^${name}: `));
    expect(issues[0]).not.toContain(value);
  });

  it.each([
    ['TRUST_PROXY', 'true', { trustProxy: true }],
    ['TRUST_PROXY', 'false', { trustProxy: false }],
    ['TRUST_PROXY', 'loopback, 10.0.0.0/8, ::1', { trustProxy: 'loopback, 10.0.0.0/8, ::1' }],
    [
      'CORS_ORIGINS',
      'https://a.example, http://localhost:5173',
      { corsOrigins: ['https://a.example', 'http://localhost:5173'] },
    ],
    ['CORS_ORIGINS', '*', { corsOrigins: ['*'] }],
    ['RATE_LIMIT_PER_MINUTE', '60', { rateLimits: { generate: 60 } }],
  ])('%s=%s is %j', (name, value, read) => {
    expect(readConfig({ [name]: value }).server).toMatchObject(read);
  });
});

describe('API_KEYS_FILE', () => {
  it.each([
    ['a:one:read\nb:two:admin', {}, []],
    ['a:one:read', { API_KEYS: 'c:three:read' }, []],
    ['# no keys\n', {}, ['API_KEYS_FILE: there is no key in the file']],
    ['a:hunter2', {}, ['API_KEYS_FILE: line 1: must be name:secret:scope+scope']],
    ['a:hunter2:read', { API_KEYS: 'c:hunter2:read' }, ['API_KEYS_FILE: a: its secret is in use twice']],
  ])('%j with %j', async (text, env, issues) => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'keys');
    await writeFile(path, text);
    expect(issuesOf({ ...env, API_KEYS_FILE: path })).toEqual(issues);
  });

  it('allows a HOST beyond loopback', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'keys');
    await writeFile(path, 'a:one:read');
    const config = readConfig({ HOST: '0.0.0.0', API_KEYS_FILE: path });
    expect(findKey(config.keys.fromFile, 'one')?.name).toBe('a');
  });
});

describe('WEBHOOK_URLS', () => {
  const WEBHOOK_URLS = 'blog=http://10.9.8.7/hook,shop=https://example.com/hook';

  it('names no URL at a literal address that is not public and not allowed', () => {
    expect(issuesOf({ WEBHOOK_URLS })).toEqual([
      expect.stringMatching(
        /^WEBHOOK_URLS: the URL of blog leads to an address that is not public.*WEBHOOK_ALLOW_HOSTS/,
      ),
    ]);
    expect(issuesOf({ WEBHOOK_URLS })[0]).not.toContain('10.9.8.7');
    expect(issuesOf({ WEBHOOK_URLS, WEBHOOK_ALLOW_HOSTS: '10.9.8.7' })).toEqual([]);
  });
});

it('readCommandConfig defers no rendition, whatever is set', () => {
  expect(readCommandConfig({ DEFERRED_RENDITIONS: 'png' }).pipeline.deferredFormats).toEqual([]);
});
