/** All variables that Easel reads, as one table. The README's table is made from it. */

import { z } from 'zod';
import { accessSettings } from './access-settings.ts';
import { callSettings } from './call-settings.ts';
import { imageSettings, provenanceSettings } from './image-settings.ts';
import { providerListSettings, providerSettings } from './provider-settings.ts';
import { retentionSettings } from './retention-settings.ts';
import { listenSettings, processSettings, storageSettings } from './service-settings.ts';
import type { SettingsOf } from './setting-types.ts';
import { webhookSettings } from './webhook-settings.ts';

/** Every variable, in the order of the README: the description, and `default` as it is written there. */
export const settings = {
  ...listenSettings,
  ...accessSettings,
  ...webhookSettings,
  ...storageSettings,
  ...providerListSettings,
  ...imageSettings,
  ...callSettings,
  ...provenanceSettings,
  ...retentionSettings,
  ...processSettings,
} as const;

/** What all variables are once they are read. */
export type Settings = SettingsOf<typeof settings>;

/** Reads an environment whose empty variables are left out already. */
export const schema = z.object(settings);

/**
 * Promised variables that would be dangerous to ignore: someone who sets one of these counts on it.
 * Each leaves this list with the feature that it belongs to.
 */
export const NOT_YET = ['S3_BUCKET'] as const;

/** The settings as a Markdown table, one row a variable. */
export function settingsTable(): string {
  const rows = [
    ...Object.entries(settings).map(([name, setting]) => row(name, setting)),
    ...Object.entries(providerSettings).map(([name, setting]) => row(`PROVIDER_<NAME>_${name}`, setting)),
  ];
  return ['| variable | default | |', '|---|---|---|', ...rows].join('\n');
}

function row(name: string, setting: z.ZodType): string {
  const fallback = written(setting);
  return `| \`${name}\` | ${fallback === '' ? '–' : `\`${fallback}\``} | ${setting.description} |`;
}

/** A setting's default the way it is written in an environment; empty where it has none. */
function written(setting: z.ZodType): string {
  const { defaultValue } = setting.def as { defaultValue?: unknown };
  return String(defaultValue ?? '');
}
