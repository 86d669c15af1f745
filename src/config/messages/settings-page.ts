/** The page of all settings, `docs/settings.md`, made from the settings themselves. */

import type { z } from 'zod';
import { providerSettings } from '../provider-settings.ts';
import { allowedValues } from '../setting-types.ts';
import { FIRST_SETTINGS, SETTING_GROUPS, settings } from '../settings.ts';

const PER_PROVIDER = 'One provider';
const FIRST = 'Five to decide first';

/** The text of the page, in Markdown. */
export function settingsPage(): string {
  const groups = Object.entries(SETTING_GROUPS).flatMap(([title, group]) => {
    const shown = section(title, Object.entries(group));
    return title === 'Providers and models' ? [shown, perProvider()] : [shown];
  });
  const headings = [FIRST, ...groups.map((group) => /^## (.*)/.exec(group)?.[1] ?? '')];
  return [
    '# Settings',
    '<!-- Made from the settings in src/config by `npm run docs`; do not edit. -->',
    'Easel is set by environment variables. An empty variable counts as unset. Wrong settings stop the start with exit code 78\n' +
      'and a list of all of them, one a line. The log warns of names that are close to that of a setting.',
    headings.map((heading) => `- [${heading}](#${heading.toLowerCase().replaceAll(' ', '-')})`).join('\n'),
    section(
      FIRST,
      FIRST_SETTINGS.map((name) => [name, settings[name]]),
    ),
    ...groups,
  ]
    .join('\n\n')
    .concat('\n');
}

function perProvider(): string {
  const rows = Object.entries(providerSettings).map(
    ([suffix, setting]) => [`PROVIDER_<NAME>_${suffix}`, setting] as const,
  );
  const text =
    'For each name in `PROVIDERS`, in capitals and with `_` for `-`: the address of `azure-eu` is `PROVIDER_AZURE_EU_BASE_URL`.\n' +
    'Address, key and model of `openai` are `OPENAI_BASE_URL`, `OPENAI_API_KEY` and `IMAGE_MODEL`.';
  return section(PER_PROVIDER, rows, text);
}

type Row = readonly [name: string, setting: z.ZodType];

function section(title: string, rows: readonly Row[], text?: string): string {
  const table = [
    '| variable | default | values | meaning |',
    '|---|---|---|---|',
    ...rows.map(([name, setting]) => row(name, setting)),
  ].join('\n');
  return [`## ${title}`, ...(text === undefined ? [] : [text]), table].join('\n\n');
}

function row(name: string, setting: z.ZodType): string {
  // A default that depends on other settings stands at the end of the description.
  const [meaning = '', derived] = (setting.description ?? '').split(' Default: ');
  const fallback = derived === undefined ? fixedDefault(setting) : derived.replace(/\.$/, '');
  const cells = [`\`${name}\``, fallback, allowedValues(setting) ?? '', meaning].map((cell) =>
    cell.replaceAll('|', '\\|'),
  );
  return `| ${cells.join(' | ')} |`.replaceAll('|  |', '| |');
}

/** A setting's default as one would write it in the environment; `none` where it has none. */
function fixedDefault(setting: z.ZodType): string {
  const { defaultValue } = setting.def as { readonly defaultValue?: unknown };
  const written = String(defaultValue ?? '');
  return written === '' ? 'none' : `\`${written}\``;
}
