import { expect, it } from 'vitest';
import { settingsPage } from '../../../src/config/messages/settings-page.ts';
import { providerSettings } from '../../../src/config/provider-settings.ts';
import { FIRST_SETTINGS, settings } from '../../../src/config/settings.ts';

const page = settingsPage();
const rows = page.match(/^\| `[^`]+` \| .*/gm) ?? [];

it('the settings page has a row for each variable, with the first ones at the top', () => {
  const names = rows.map((row) => row.split('`')[1]);
  const ofProviders = Object.keys(providerSettings).map((suffix) => `PROVIDER_<NAME>_${suffix}`);
  expect(names.slice(0, FIRST_SETTINGS.length)).toEqual(FIRST_SETTINGS);
  expect(names.slice(FIRST_SETTINGS.length).sort()).toEqual([...Object.keys(settings), ...ofProviders].sort());
});

it.each([
  ['| `IMAGE_SIZE` | `1792x1024` | WIDTHxHEIGHT, each side 16 to 4096 pixels | '],
  ['| `CONCURRENCY` | `4` | a whole number from 1 to 256 | '],
  ['| `LOG_LEVEL` | `info` | fatal, error, warn, info, debug, trace or silent | '],
  ['| `RETENTION` | never | | '],
  ['| `RATE_LIMIT_PER_MINUTE` | no limit | a whole number from 1 to 1000000 | '],
  ['| `PROVIDER_<NAME>_API_VERSION` | `2025-04-01-preview` | | '],
  [
    '| `PROVIDER_<NAME>_OMIT` | none | size, n, quality, style, background, output_format, output_compression, moderation, input_fidelity, safety_identifier | ',
  ],
])('tells default and values: %s', (cells) => {
  expect(page).toContain(`\n${cells}`);
});

it('has a link for each heading, and four cells a row with a meaning', () => {
  const links = [...page.matchAll(/^- \[(.*)\]\(#(.*)\)$/gm)].map(([, title]) => title);
  expect(links).toEqual([...page.matchAll(/^## (.*)$/gm)].map(([, title]) => title));
  for (const row of rows) expect(row.match(/^\| `[^`]+` \|[^|]+\|[^|]*\| \S[^|]+\. \|$/), row).not.toBeNull();
});
