import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError, readConfig, settingsTable } from '../../src/config/config.ts';
import { findKey } from '../../src/http/keys.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

function faultsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

describe('readConfig', () => {
  it('needs nothing', () => {
    expect(readConfig({})).toMatchObject({
      HOST: '127.0.0.1',
      PORT: 3000,
      providers: [{ name: 'placeholder' }],
      IMAGE_SIZE: { width: 1792, height: 1024 },
      IMAGE_RENDITIONS: [{ width: 1200, height: 675, format: 'png' }],
      databasePath: '.data/easel.db',
    });
  });

  it('takes an empty variable for an unset one, and asks OpenAI as soon as there is a key', () => {
    expect(readConfig({ PORT: '', OPENAI_API_KEY: 'sk-x' })).toMatchObject({
      PORT: 3000,
      providers: [{ name: 'openai' }],
    });
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
    expect(faultsOf({ [name]: value, OPENAI_API_KEY: 'sk-secret' })).toEqual([expect.stringMatching(`^${name}: `)]);
  });

  it.each([
    ['50', 50, {}],
    ['0', 0, {}],
    ['12.5,blog:10,shop:0.25', 12.5, { blog: 10, shop: 0.25 }],
    ['blog:10', null, { blog: 10 }],
  ])('reads the budget %s', (text, usdPerDay, keys) => {
    const { BUDGET_USD_PER_DAY: budget } = readConfig({ BUDGET_USD_PER_DAY: text });
    expect([budget.usdPerDay, Object.fromEntries(budget.usdPerDayOfKey)]).toEqual([usdPerDay, keys]);
  });

  it('makes one catalog of the built-in models, the file and the aliases', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'models.json');
    await writeFile(path, '{"my-own": {"promptLimit": 77}}');
    const { catalog } = readConfig({ MODEL_CATALOG: path, MODEL_ALIASES: 'dall-e-3=my-own, dall-e-2=gpt-image-2' });
    expect(catalog.get('dall-e-3')).toMatchObject({ id: 'my-own', promptLimit: 77 });
    expect(catalog.get('dall-e-2')).toMatchObject({ id: 'gpt-image-2', alias: 'dall-e-2' });
  });

  it('names every fault at once, and never quotes a key', () => {
    const faults = faultsOf({ PORT: 'x', RETENTION: 'x', OPENAI_API_KEY: 'sk-secret' });
    expect(faults).toHaveLength(2);
    expect(faults.join()).not.toContain('sk-secret');
  });
});

describe('an address that others can reach', () => {
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
    expect(faultsOf(env).length === 0).toBe(taken);
    if (!taken) expect(faultsOf(env)[0]).toMatch(/^HOST: .*API_KEYS.*ALLOW_ANONYMOUS/);
  });

  it.each([
    [{ HOST: '127.0.0.1' }, 'open'],
    [{ HOST: '127.0.0.1', API_KEYS: 'a:b:read' }, 'open'],
    [{ HOST: '0.0.0.0', API_KEYS: 'a:b:read' }, 'admin'],
    [{ HOST: '0.0.0.0', API_KEYS: 'a:b:read', METRICS_ACCESS: 'open', DOCS_ACCESS: 'open' }, 'open'],
    [{ HOST: '127.0.0.1', METRICS_ACCESS: 'admin', DOCS_ACCESS: 'admin' }, 'admin'],
  ])('has metrics and docs for admins only, unless told: %j', (env, access) => {
    const { METRICS_ACCESS, DOCS_ACCESS } = readConfig(env);
    expect([METRICS_ACCESS, DOCS_ACCESS]).toEqual([access, access]);
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
    ['RATE_LIMIT_PER_MINUTE', '0'],
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
    const faults = faultsOf({ [name]: value });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(new RegExp(`^${name}: `));
    expect(faults[0]).not.toContain(value);
  });

  it.each([
    ['TRUST_PROXY', 'true', true],
    ['TRUST_PROXY', 'false', false],
    ['TRUST_PROXY', 'loopback, 10.0.0.0/8, ::1', 'loopback, 10.0.0.0/8, ::1'],
    ['CORS_ORIGINS', 'https://a.example, http://localhost:5173', ['https://a.example', 'http://localhost:5173']],
    ['CORS_ORIGINS', '*', ['*']],
    ['RATE_LIMIT_PER_MINUTE', '60', 60],
  ] as const)('%s=%s is %j', (name, value, read) => {
    expect(readConfig({ [name]: value })[name]).toEqual(read);
  });
});

describe('API_KEYS_FILE', () => {
  it.each([
    ['a:one:read\nb:two:admin', {}, []],
    ['a:one:read', { API_KEYS: 'c:three:read' }, []],
    ['# nobody\n', {}, ['API_KEYS_FILE: there is no key in the file']],
    ['a:hunter2', {}, ['API_KEYS_FILE: line 1: must be name:secret:scope+scope']],
    ['a:hunter2:read', { API_KEYS: 'c:hunter2:read' }, ['API_KEYS_FILE: a: its secret is in use twice']],
  ])('%j with %j', async (text, env, faults) => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'keys');
    await writeFile(path, text);
    expect(faultsOf({ ...env, API_KEYS_FILE: path })).toEqual(faults);
  });

  it('opens an address that others can reach', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'keys');
    await writeFile(path, 'a:one:read');
    const config = readConfig({ HOST: '0.0.0.0', API_KEYS_FILE: path });
    expect(findKey(config.keysInFile, 'one')?.name).toBe('a');
  });
});

it('settingsTable has a row for every variable, with its default', () => {
  expect(settingsTable()).toContain('| `IMAGE_SIZE` | `1792x1024` |');
  expect(settingsTable()).toContain('| `RETENTION` | – |');
});
