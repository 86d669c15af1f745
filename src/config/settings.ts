/** All settings: the one list, in groups. */

import { z } from 'zod';
import { accessSettings } from './access-settings.ts';
import { callSettings, moneySettings } from './call-settings.ts';
import { imageSettings, modelSettings, provenanceSettings } from './image-settings.ts';
import { imagingSettings } from './imaging-settings.ts';
import { providerListSettings } from './provider-settings.ts';
import { retentionSettings } from './retention-settings.ts';
import { listenSettings, processSettings, watchSettings } from './service-settings.ts';
import type { SettingsOf } from './setting-types.ts';
import { replicaSettings, storageSettings } from './storage-settings.ts';
import { webhookSettings } from './webhook-settings.ts';

/** Every variable but those of single providers, by the heading under which the settings page shows it, and in its order. */
export const SETTING_GROUPS = {
  Listening: listenSettings,
  'Access and limits': accessSettings,
  'Providers and models': { ...providerListSettings, ...modelSettings },
  Pictures: { ...imageSettings, ...provenanceSettings },
  'Calls and retries': { ...callSettings, ...imagingSettings },
  Money: moneySettings,
  Storage: storageSettings,
  'Many replicas': replicaSettings,
  Retention: retentionSettings,
  Webhooks: webhookSettings,
  Watching: watchSettings,
  'Starting and stopping': processSettings,
} as const;

/** The settings that a new installation decides first. */
export const FIRST_SETTINGS = ['OPENAI_API_KEY', 'HOST', 'API_KEYS_FILE', 'BUDGET_USD_PER_DAY', 'RETENTION'] as const;

type Group = (typeof SETTING_GROUPS)[keyof typeof SETTING_GROUPS];
/** All members of a union in one object. */
type Joined<Union> = (Union extends unknown ? (union: Union) => void : never) extends (all: infer All) => void
  ? { [Name in keyof All]: All[Name] }
  : never;

/** Every variable of every group. */
export const settings = Object.assign({}, ...Object.values(SETTING_GROUPS)) as Joined<Group>;

/** The parsed values of all variables. */
export type Settings = SettingsOf<typeof settings>;

/** Parses an environment from which empty variables have been removed. */
export const schema = z.object(settings);
