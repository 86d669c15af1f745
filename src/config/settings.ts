/** All settings as one table, and the README's table that is generated from it. */

import { z } from 'zod';
import { accessSettings } from './access-settings.ts';
import { callSettings } from './call-settings.ts';
import { imageSettings, provenanceSettings } from './image-settings.ts';
import { providerListSettings, providerSettings } from './provider-settings.ts';
import { retentionSettings } from './retention-settings.ts';
import { listenSettings, processSettings, storageSettings } from './service-settings.ts';
import type { SettingsOf } from './setting-types.ts';
import { webhookSettings } from './webhook-settings.ts';

/** Every variable but those of single providers, in the order of the README's table, which shows each schema's description and default. */
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

/** The parsed values of all variables. */
export type Settings = SettingsOf<typeof settings>;

/** Parses an environment from which empty variables have been removed. */
export const schema = z.object(settings);

/**
 * Variables of features that are planned but not built. Setting one is an error: ignoring it silently would be dangerous. A
 * variable leaves this list when its feature is built.
 */
export const UNSUPPORTED = ['S3_BUCKET'] as const;

/** The settings as a Markdown table, one row a variable. */
export function settingsTable(): string {
  const rows = [
    ...Object.entries(settings).map(([name, setting]) => row(name, setting)),
    ...Object.entries(providerSettings).map(([name, setting]) => row(`PROVIDER_<NAME>_${name}`, setting)),
  ];
  return ['| variable | default | |', '|---|---|---|', ...rows].join('\n');
}

function row(name: string, setting: z.ZodType): string {
  const fallback = describeDefault(setting);
  return `| \`${name}\` | ${fallback === '' ? '–' : `\`${fallback}\``} | ${setting.description} |`;
}

/** A setting's default as one would write it in the environment; empty where it has none. */
function describeDefault(setting: z.ZodType): string {
  const { defaultValue } = setting.def as { defaultValue?: unknown };
  return String(defaultValue ?? '');
}
