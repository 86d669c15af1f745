/** Settings of providers. The variables of a single provider contain its name, so their list is not fixed. */

import { z } from 'zod';
import { OMITTABLE_PARAMETERS, type OmittableParameter } from '../core/domain/model.ts';
import { issueLine } from './messages/issue-text.ts';
import { nearestName } from './messages/near-names.ts';
import { choice, count, flag, list, taking } from './setting-types.ts';

/** The settings of one provider. */
export interface ProviderSettings {
  readonly name: string;
  readonly kind: 'placeholder' | 'openai' | 'azure';
  /** Null for OpenAI's own server. */
  readonly baseURL: string | null;
  readonly apiKey: string | null;
  /** Model that replaces the default model at this provider; null where it has none of its own. */
  readonly model: string | null;
  /** Version of the API; Azure only. */
  readonly apiVersion: string;
  /** Parameters that are not sent to it, since it refuses them. */
  readonly omit: readonly OmittableParameter[];
  /** Whether it has an endpoint for edits. */
  readonly edits: boolean;
  /** Whether it can stream. */
  readonly streaming: boolean;
  /** Texts that it would interpret as commands, replaced by a space in prompts. */
  readonly strip: readonly string[];
  /** Most calls at the same time; null for no limit. */
  readonly concurrency: number | null;
  /** Most pictures requested in any minute; null for no limit. */
  readonly perMinute: number | null;
}

/** A provider's name. It appears in records and metrics and, in capitals with `_` for `-`, in the names of its variables. */
const providerName = z
  .string()
  .regex(
    /^(?=.{1,32}$)[a-z][a-z0-9]*(-[a-z0-9]+)*$/,
    'must be a name such as openai, backup or azure-eu: at most 32 small letters, digits and hyphens',
  );

/** Texts separated by commas; empty ones are dropped. */
const parts = z.string().transform((value) =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
);

/** Address of a server that speaks OpenAI's dialect. */
const baseUrl = z
  .url({
    protocol: /^https?$/,
    error: 'must be an http or https URL, such as http://127.0.0.1:8080/v1',
    abort: true,
  })
  .refine(
    hasNoCredentials,
    'must hold no user and no password: no request can be sent to such a URL; a key has its own variable',
  );

/**
 * A key that an HTTP header can carry: visible ASCII (RFC 9110, section 5.5; RFC 6750, section 2.1). With any other, no call could be sent,
 * and each would count as one that may have been billed.
 */
const apiKey = z
  .string()
  .regex(
    /^[\x21-\x7e]+$/,
    'must be visible ASCII characters, without spaces; set your own key in place of an example such as sk-…',
  );

/** False for `https://user:password@host`. */
function hasNoCredentials(url: string): boolean {
  const { username, password } = new URL(url);
  return username === '' && password === '';
}

/** The list of providers, and the variables of `openai` whose names do not begin with `PROVIDER_`. */
export const providerListSettings = {
  PROVIDERS: list(providerName)
    .optional()
    .describe(
      'Providers that make the pictures, in the order of fallback, such as `openai,backup,placeholder`. ' +
        'Default: `openai` with a key, else `placeholder`, which paints abstract pictures by itself.',
    ),
  OPENAI_API_KEY: apiKey.optional().describe('Key for the `openai` provider.'),
  OPENAI_BASE_URL: baseUrl.optional().describe("Any OpenAI-compatible server. Default: OpenAI's own."),
} as const;

/** The `PROVIDER_<NAME>_…` variables, by the end of their names. */
export const providerSettings = {
  BASE_URL: baseUrl
    .optional()
    .describe(
      'Needed for every name in `PROVIDERS` but `openai` and `placeholder`: an OpenAI-compatible server. ' +
        'For `azure` and `azure-…` the endpoint of an Azure OpenAI resource.',
    ),
  API_KEY: apiKey.optional().describe('Its key, if it needs one.'),
  MODEL: z
    .string()
    .optional()
    .describe(
      'Its own model (on Azure the deployment), which stands in for `IMAGE_MODEL`. Default: the model that is asked for.',
    ),
  API_VERSION: z.string().default('2025-04-01-preview').describe('Version of the API; Azure only.'),
  OMIT: taking(OMITTABLE_PARAMETERS.join(', '), parts.pipe(z.array(choice(OMITTABLE_PARAMETERS))))
    .default([])
    .describe('Parameters that it refuses, and that are not sent to it; commas between.'),
  EDITS: flag
    .default(true)
    .describe(
      'Whether it has an endpoint for edits of pictures. One that turns out to have none is not asked for an hour.',
    ),
  STREAMING: flag
    .default(true)
    .describe('Whether it can stream pictures while they are made. One that refuses is not asked for an hour.'),
  STRIP: parts
    .default([])
    .describe(
      'Texts in a prompt that it interprets as commands, such as `<sd_cpp_extra_args>`; a space is sent instead.',
    ),
  CONCURRENCY: count(1, 256)
    .optional()
    .describe('Most calls to it at the same time. Also for `openai`. Default: no limit.'),
  PER_MINUTE: count(1, 100_000)
    .optional()
    .describe('Most pictures asked of it in any minute. Also for `openai`. Default: no limit.'),
} as const;

const schema = z.object(providerSettings);
const SUFFIXES = Object.keys(providerSettings);

/** A setting of some provider: the name in it, in capitals, and the end. */
export const PROVIDER_VARIABLE = new RegExp(`^PROVIDER_([A-Z0-9_]+?)_(${SUFFIXES.join('|')})$`);

/** What the variables of a provider begin with: `PROVIDER_AZURE_EU_` for `azure-eu`. */
export function providerPrefix(provider: string): string {
  return `PROVIDER_${provider.toUpperCase().replaceAll('-', '_')}_`;
}

/** The readable names in `PROVIDERS`, where others of it are wrong. */
export function readableProviders(text: string): readonly string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => providerName.safeParse(part).success);
}

/** Address and key of `openai`, from `providerListSettings`. */
interface OpenAISettings {
  readonly baseURL: string | undefined;
  readonly apiKey: string | undefined;
}

/**
 * Reads the settings of the named providers from an environment without empty variables, and adds every issue, one line a
 * variable, to `issues`. Variables of other providers are no issue, so that a provider can be taken out of the list for a while.
 */
export function readProviders(
  names: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  openai: OpenAISettings,
  issues: string[],
): readonly ProviderSettings[] {
  return names.map((name) => {
    const prefix = providerPrefix(name);
    const own = Object.fromEntries(
      Object.entries(env)
        .filter(([variable]) => variable.startsWith(prefix))
        .map(([variable, value]) => [variable.slice(prefix.length), value])
        .filter(([suffix]) => !mayBelongToAnother(suffix ?? '')),
    );
    for (const suffix of Object.keys(own)) {
      const issue = issueOfSuffix(name, suffix);
      if (issue !== null) issues.push(`${prefix}${suffix}: ${issue}`);
    }
    const parsed = schema.safeParse(own);
    if (!parsed.success) {
      for (const issue of parsed.error.issues) {
        const suffix = String(issue.path[0]);
        issues.push(issueLine(`${prefix}${suffix}`, issue, own[suffix]));
      }
    }
    const settings = parsed.success ? parsed.data : schema.parse({});
    const kind = kindOf(name);
    if (kind !== 'placeholder' && name !== 'openai' && !('BASE_URL' in own)) {
      issues.push(`${prefix}BASE_URL: is missing, and PROVIDERS asks for ${name}`);
    }
    if (kind === 'azure' && !('API_KEY' in own)) {
      issues.push(`${prefix}API_KEY: is missing, and Azure refuses calls without one`);
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
      edits: settings.EDITS,
      streaming: settings.STREAMING,
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

/** True where the variable may belong to a provider with a longer name, as `PROVIDER_AZURE_EU_MODEL` does to `azure-eu`, not `azure`. */
function mayBelongToAnother(suffix: string): boolean {
  return !Object.hasOwn(providerSettings, suffix) && SUFFIXES.some((known) => suffix.endsWith(`_${known}`));
}

/** Why the variable must not be set for this provider; null where it may. */
function issueOfSuffix(name: string, suffix: string): string | null {
  if (!Object.hasOwn(providerSettings, suffix)) {
    const nearest = nearestName(suffix, SUFFIXES);
    return nearest === null
      ? `there is no such setting; it can end in ${SUFFIXES.join(', ')}`
      : `there is no such setting; is ${providerPrefix(name)}${nearest} meant?`;
  }
  if (name === 'placeholder') return 'the placeholder has no settings; unset it';
  if (suffix === 'API_VERSION' && kindOf(name) !== 'azure') return 'is for Azure only; unset it';
  if (name === 'openai' && suffix === 'BASE_URL') return 'use OPENAI_BASE_URL';
  if (name === 'openai' && suffix === 'API_KEY') return 'use OPENAI_API_KEY';
  if (name === 'openai' && suffix === 'MODEL') return 'use IMAGE_MODEL';
  return null;
}
