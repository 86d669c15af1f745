/** Reads the environment, once, into one group for each part of the service. */

import type { Catalog } from '../core/models/catalog.ts';
import { type ApiKey, findConflicts } from '../security/api-keys.ts';
import { refusalOfLiteral } from '../security/literal-address.ts';
import { createSecretMask, type SecretMask } from '../security/secret-mask.ts';
import { type AccessConfig, accessConfig, httpAccess } from './access-settings.ts';
import { type CallConfig, callConfig } from './call-settings.ts';
import { referenceLimits } from './files/reference-files.ts';
import {
  type PresetFiles,
  readKeys,
  readModels,
  readOrCollect,
  readPresets,
  readSigningFiles,
  type SigningFiles,
  WITHOUT_OWN_PRESETS,
} from './files/setting-files.ts';
import { type ImageConfig, imageConfig } from './image-settings.ts';
import { type ImagingConfig, imagingConfig } from './imaging-settings.ts';
import { issueLine } from './messages/issue-text.ts';
import { settingWarnings } from './messages/setting-warnings.ts';
import { type ProviderSettings, readableProviders, readProviders } from './provider-settings.ts';
import { type RetentionConfig, retentionConfig } from './retention-settings.ts';
import { secretsIn } from './secrets.ts';
import { type ServerConfig, type ServiceConfig, serverConfig, serviceConfig } from './service-settings.ts';
import { type Settings, schema } from './settings.ts';
import { type StorageConfig, storageConfig, storageContradictions, unusedStorageSettings } from './storage-settings.ts';
import { type WebhookConfig, webhookConfig } from './webhook-settings.ts';

/** Variables by name, as in `process.env`. */
type Environment = Readonly<Record<string, string | undefined>>;

/** The configuration in groups, each in the shape that its consumer takes. `Ms` stands for milliseconds, `Bytes` for bytes. */
export interface Config
  extends ServiceConfig,
    StorageConfig,
    AccessConfig,
    WebhookConfig,
    ImageConfig,
    ImagingConfig,
    CallConfig,
    RetentionConfig,
    PresetFiles {
  readonly server: ServerConfig;
  /** In order of fallback. */
  readonly providers: readonly ProviderSettings[];
  /** The identity that signs files as Content Credentials; null where they are not signed. */
  readonly signing: SigningFiles | null;
  /** Masks every secret of the configuration; learns those that are made at the first start. */
  readonly secrets: SecretMask;
  /** What to tell the operator at the start: variables that change nothing, a sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Everything that is wrong with the environment, one issue a line, each naming its variable. `warnings` follow in the message: a misspelt
 * name is often why another setting is missing.
 */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly issues: readonly string[];

  constructor(issues: readonly string[], warnings: readonly string[] = []) {
    const lines = [...issues, ...warnings].map((line) => `  ${line}`).join('\n');
    super(`the configuration has ${issues.length} issue${issues.length === 1 ? '' : 's'}:\n${lines}`);
    this.issues = issues;
  }
}

/** Exit code of a process that was started with a wrong configuration (sysexits.h). */
export const EX_CONFIG = 78;

/** Loopback addresses, which only this machine can reach. */
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/i;

/**
 * Reads the settings from an environment, where an empty variable counts as unset. Raises `ConfigError` with every issue at
 * once. Issues never quote a value, as it may be a key. Certificates must be valid at `now`, in milliseconds since 1970.
 */
export function readConfig(env: Environment, now = Date.now()): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const { settings, refused, issues } = readSettings(given);
  issues.push(...contradictions(settings, given, refused));

  const keyFile = readOrCollect(() => readKeys(given.API_KEYS_FILE), issues) ?? { keys: [], secrets: [] };
  issues.push(...keyConflicts(settings, keyFile.keys));
  const models = readOrCollect(() => readModels(given.MODEL_CATALOG), issues);
  const images = imageConfig(settings, models ?? new Map());
  const limits = referenceLimits(images.catalog.values());
  const presets = readOrCollect(() => readPresets(given.PRESETS, limits), issues) ?? WITHOUT_OWN_PRESETS;
  if (models !== null) issues.push(...strayAliases(images.aliases, images.catalog));
  const signing = readOrCollect(() => readSigningFiles(given.C2PA_CERT, given.C2PA_KEY, now), issues);

  const openai = { baseURL: settings.OPENAI_BASE_URL, apiKey: settings.OPENAI_API_KEY };
  const names = refused.has('PROVIDERS')
    ? readableProviders(given.PROVIDERS ?? '')
    : (settings.PROVIDERS ?? [openai.apiKey === undefined ? 'placeholder' : 'openai']);
  const providers = readProviders(names, given, openai, issues);
  const storage = storageConfig(settings, given);
  const warnings = [
    ...settingWarnings(Object.keys(given), names),
    ...unusedAddress(openai.baseURL, names),
    ...unusedStorageSettings(storage, given),
    ...unusableReferences(presets, images, providers),
  ];
  if (issues.length > 0) throw new ConfigError(issues, withoutRepeats(warnings, issues));

  return {
    ...serviceConfig(settings),
    ...storage,
    ...accessConfig(settings, keyFile.keys),
    ...webhookConfig(settings),
    ...images,
    ...imagingConfig(settings),
    ...callConfig(settings),
    ...retentionConfig(settings),
    server: serverConfig(settings, httpAccess(settings, LOOPBACK.test(settings.HOST) ? 'open' : 'keyed')),
    ...presets,
    providers,
    signing,
    secrets: createSecretMask([...secretsIn(given), ...keyFile.secrets]),
    warnings,
  };
}

/** `readConfig` for a command. A command exits when it is done, so it makes every rendition before it returns. */
export function readCommandConfig(env: Environment): Config {
  return readConfig({ ...env, DEFERRED_RENDITIONS: 'none' });
}

/** Environment without unset and empty variables. */
type Given = Readonly<Record<string, string | undefined>>;

interface ReadSettings {
  /** With the default, or nothing, in the place of every value that is wrong. */
  readonly settings: Settings;
  /** The variables with wrong values. */
  readonly refused: ReadonlySet<string>;
  readonly issues: string[];
}

/** Reads each variable by itself, so that what is wrong with one hides nothing of the others. */
function readSettings(given: Given): ReadSettings {
  const parsed = schema.safeParse(given);
  if (parsed.success) return { settings: parsed.data, refused: new Set(), issues: [] };
  const refused = new Set(parsed.error.issues.map(({ path }) => String(path[0])));
  const right = Object.fromEntries(Object.entries(given).filter(([name]) => !refused.has(name)));
  const lines = parsed.error.issues.map((issue) => {
    const variable = String(issue.path[0]);
    return issueLine(variable, issue, given[variable]);
  });
  return { settings: schema.parse(right), refused, issues: [...new Set(lines)] };
}

/** Issues of variables that are right by themselves but contradict each other. A variable that is wrong by itself contradicts none. */
function contradictions(settings: Settings, given: Given, refused: ReadonlySet<string>): string[] {
  const { HOST, PROVIDERS, ALLOW_ANONYMOUS, NODE_ENV } = settings;
  const issues: string[] = [];
  const isSet = (name: keyof Settings) => name in given;
  if (new Set(PROVIDERS).size < (PROVIDERS?.length ?? 0)) issues.push('PROVIDERS: must not name a provider twice');
  const allowsAnonymous = ALLOW_ANONYMOUS || refused.has('ALLOW_ANONYMOUS');
  if (!LOOPBACK.test(HOST) && !isSet('API_KEYS') && !isSet('API_KEYS_FILE') && !allowsAnonymous) {
    issues.push(
      'HOST: others can reach this address, and anyone could spend your money; set API_KEYS_FILE (easel keys create makes a key), ' +
        'or HOST=127.0.0.1, or ALLOW_ANONYMOUS=true if that is meant',
    );
  }
  if (PROVIDERS?.includes('openai') && !isSet('OPENAI_API_KEY') && !isSet('OPENAI_BASE_URL')) {
    issues.push('OPENAI_API_KEY: is missing, and PROVIDERS asks for openai');
  }
  if (NODE_ENV === 'production' && !isSet('PROVIDERS') && !isSet('OPENAI_API_KEY')) {
    issues.push(
      'OPENAI_API_KEY: is missing; in production the placeholder has to be asked for with PROVIDERS=placeholder',
    );
  }
  issues.push(...storageContradictions(settings, given, refused));
  for (const [name, url] of settings.WEBHOOK_URLS ?? []) {
    if (refusalOfLiteral(url, settings.WEBHOOK_ALLOW_HOSTS ?? []) === null) continue;
    issues.push(
      `WEBHOOK_URLS: the URL of ${name} leads to an address that is not public; correct it, or add its host to WEBHOOK_ALLOW_HOSTS`,
    );
  }
  return issues;
}

/** The warnings about variables that no issue names already. */
function withoutRepeats(warnings: readonly string[], issues: readonly string[]): readonly string[] {
  const named = new Set(issues.map((issue) => issue.split(':')[0]));
  return warnings.filter((warning) => !named.has(warning.split(' ')[0]));
}

/** A warning where `OPENAI_BASE_URL` is set but no provider uses it. */
function unusedAddress(baseURL: string | undefined, names: readonly string[]): readonly string[] {
  if (baseURL === undefined || names.includes('openai')) return [];
  return ['OPENAI_BASE_URL is not used: set OPENAI_API_KEY too, or PROVIDERS=openai for a server that wants no key'];
}

/** A warning for every preset with reference pictures that no request can use without naming a model, since `IMAGE_MODEL` cannot edit. */
function unusableReferences(
  { presets }: PresetFiles,
  { catalog, defaults }: ImageConfig,
  providers: readonly ProviderSettings[],
): readonly string[] {
  const models = [defaults.model, ...providers.flatMap(({ model }) => model ?? [])];
  if (models.some((id) => catalog.get(id)?.edits)) return [];
  return presets
    .filter(({ references }) => references !== undefined)
    .map(
      ({ name }) =>
        `PRESETS has reference pictures for ${name}, and IMAGE_MODEL is no model that edits: requests with ${name} must name one that does`,
    );
}

/** Conflicts among the keys of `API_KEYS_FILE`, and between them and those of `API_KEYS`. */
function keyConflicts({ API_KEYS: fixed = [] }: Settings, fromFile: readonly ApiKey[]): string[] {
  return findConflicts([...fixed, ...fromFile]).map((message) => `API_KEYS_FILE: ${message}`);
}

/** Aliases that lead to no model: every request for one would fail. */
function strayAliases(aliases: ReadonlyMap<string, string>, catalog: Catalog): string[] {
  return [...aliases]
    .filter(([alias, id]) => catalog.get(alias)?.id !== id)
    .map(
      ([alias, id]) =>
        `MODEL_ALIASES: ${alias} leads to ${id}, which is no model of the catalog; correct it, or add ${id} with MODEL_CATALOG`,
    );
}
