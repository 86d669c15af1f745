/** The settings of providers. Those of a single one bear its name, so they are no fixed list of variables. */

import { z } from 'zod';
import { OMITTABLE_PARAMETERS, type OmittableParameter } from '../core/domain/model.ts';
import { list } from './setting-types.ts';

export interface ProviderSettings {
  readonly name: string;
  readonly kind: 'placeholder' | 'openai' | 'azure';
  /** Null for OpenAI's own. */
  readonly baseURL: string | null;
  readonly apiKey: string | null;
  /** Null where the provider is asked for the model of the request. */
  readonly model: string | null;
  readonly apiVersion: string;
  readonly omit: readonly OmittableParameter[];
  readonly strip: readonly string[];
  /** Null for no limit. */
  readonly concurrency: number | null;
  readonly perMinute: number | null;
}

/** A provider's name: part of records, metrics and, in capitals with `_` for `-`, of its variables. */
const providerName = z
  .string()
  .max(32)
  .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, 'must be names such as openai, backup or azure-eu, with commas between');

/** Commas between; empty parts are none. */
const parts = z.string().transform((value) =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
);
/** Where a server of OpenAI's dialect is. */
const baseUrl = z.url({
  protocol: /^https?$/,
  error: 'must be an http or https URL, such as http://127.0.0.1:8080/v1',
});

/** Which providers there are, and what `openai` reads besides variables of its own name. */
export const providerListSettings = {
  PROVIDERS: list(providerName)
    .optional()
    .describe(
      'Who makes the pictures, in the order of fallback, such as `openai,backup,placeholder`. Default: `openai` with a key, else `placeholder`, which paints abstract pictures by itself.',
    ),
  OPENAI_API_KEY: z.string().optional().describe('Key for the `openai` provider.'),
  OPENAI_BASE_URL: baseUrl.optional().describe("Any OpenAI-compatible server. Default: OpenAI's own."),
} as const;

/** What each `PROVIDER_<NAME>_…` variable holds. The README's table is made from this. */
export const providerSettings = {
  BASE_URL: baseUrl
    .optional()
    .describe(
      'Needed for every name in `PROVIDERS` but `openai` and `placeholder`: an OpenAI-compatible server. For `azure` and `azure-…` the endpoint of an Azure OpenAI resource.',
    ),
  API_KEY: z.string().optional().describe('Its key, where it wants one.'),
  MODEL: z
    .string()
    .optional()
    .describe(
      'Its own model (on Azure the deployment), which stands in for `IMAGE_MODEL`. Default: the model that is asked for.',
    ),
  API_VERSION: z.string().default('2025-04-01-preview').describe('Version of the API; Azure only.'),
  OMIT: parts
    .pipe(z.array(z.enum(OMITTABLE_PARAMETERS)))
    .default([])
    .describe(`Parameters it refuses, which are not sent to it; of \`${OMITTABLE_PARAMETERS.join(',')}\`.`),
  STRIP: parts
    .default([])
    .describe('Texts in a prompt that it takes for commands, such as `<sd_cpp_extra_args>`; a space is sent instead.'),
  CONCURRENCY: z.coerce
    .number()
    .int()
    .min(1)
    .max(256)
    .optional()
    .describe('Calls to it at the same time. Also for `openai`.'),
  PER_MINUTE: z.coerce
    .number()
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .describe('Pictures asked of it in any minute. Also for `openai`.'),
} as const;

const schema = z.object(providerSettings);
const SUFFIXES = Object.keys(providerSettings);

/** Address and key of `openai`, from `providerListSettings`. */
export interface OpenAISettings {
  readonly baseURL: string | undefined;
  readonly apiKey: string | undefined;
}

/**
 * Reads the settings of the named providers from an environment whose empty variables are left out already; adds every issue,
 * one line a variable, to `issues`. Variables of providers that are not named are left alone: they may be named tomorrow.
 */
export function readProviders(
  names: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  openai: OpenAISettings,
  issues: string[],
): readonly ProviderSettings[] {
  return names.map((name) => {
    const prefix = `PROVIDER_${name.toUpperCase().replaceAll('-', '_')}_`;
    const own = Object.fromEntries(
      Object.entries(env)
        .filter(([variable]) => variable.startsWith(prefix))
        .map(([variable, value]) => [variable.slice(prefix.length), value])
        .filter(([suffix]) => !mayBelongToAnother(suffix ?? '')),
    );
    for (const suffix of Object.keys(own)) {
      const issue = misplaced(name, suffix);
      if (issue !== null) issues.push(`${prefix}${suffix}: ${issue}`);
    }
    const parsed = schema.safeParse(own);
    if (!parsed.success) {
      issues.push(...parsed.error.issues.map(({ path, message }) => `${prefix}${String(path[0])}: ${message}`));
    }
    const settings = parsed.success ? parsed.data : schema.parse({});
    const kind = kindOf(name);
    if (kind !== 'placeholder' && name !== 'openai' && !('BASE_URL' in own)) {
      issues.push(`${prefix}BASE_URL: is missing, and PROVIDERS asks for ${name}`);
    }
    if (kind === 'azure' && settings.API_KEY === undefined) {
      issues.push(`${prefix}API_KEY: is missing, and Azure answers nobody without one`);
    }
    const address = name === 'openai' ? openai : { baseURL: settings.BASE_URL, apiKey: settings.API_KEY };
    return {
      name,
      kind,
      baseURL: address.baseURL ?? null,
      apiKey: address.apiKey ?? null,
      model: settings.MODEL ?? null,
      apiVersion: settings.API_VERSION,
      omit: settings.OMIT,
      strip: settings.STRIP,
      concurrency: settings.CONCURRENCY ?? null,
      perMinute: settings.PER_MINUTE ?? null,
    };
  });
}

function kindOf(name: string): ProviderSettings['kind'] {
  if (name === 'placeholder') return 'placeholder';
  return name === 'azure' || name.startsWith('azure-') ? 'azure' : 'openai';
}

/** Whether a variable may be that of a provider with a longer name: `PROVIDER_AZURE_EU_MODEL` is no issue of `azure`. */
function mayBelongToAnother(suffix: string): boolean {
  return !Object.hasOwn(providerSettings, suffix) && SUFFIXES.some((known) => suffix.endsWith(`_${known}`));
}

/** Why a provider has no variable that ends like this; null where it has. */
function misplaced(name: string, suffix: string): string | null {
  if (!Object.hasOwn(providerSettings, suffix)) return `there is no such setting; it can end in ${SUFFIXES.join(', ')}`;
  if (name === 'placeholder') return 'the placeholder has no settings; unset it';
  if (suffix === 'API_VERSION' && kindOf(name) !== 'azure') return 'is for Azure only; unset it';
  if (name === 'openai' && suffix === 'BASE_URL') return 'use OPENAI_BASE_URL';
  if (name === 'openai' && suffix === 'API_KEY') return 'use OPENAI_API_KEY';
  if (name === 'openai' && suffix === 'MODEL') return 'use IMAGE_MODEL';
  return null;
}
