import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError, readConfig, settingsTable } from '../src/config.ts';
import { temporaryFolder } from './support/temporary-folder.ts';

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

it('settingsTable has a row for every variable, with its default', () => {
  expect(settingsTable()).toContain('| `IMAGE_SIZE` | `1792x1024` |');
  expect(settingsTable()).toContain('| `RETENTION` | – |');
});
