/** Reads the environment, once, into one group for each part of the service. */

import { dirname } from 'node:path';
import type { Catalog } from '../core/models/catalog.ts';
import { BUILT_IN_PRESETS } from '../core/planning/built-in-presets.ts';
import type { Presets } from '../core/planning/presets.ts';
import { type ApiKey, findConflicts } from '../security/api-keys.ts';
import { refusalOfLiteral } from '../security/literal-address.ts';
import { createSecretMask, type SecretMask } from '../security/secret-mask.ts';
import { type AccessConfig, accessConfig, httpAccess } from './access-settings.ts';
import { type CallConfig, callConfig } from './call-settings.ts';
import { type ImageConfig, imageConfig } from './image-settings.ts';
import { type ProviderSettings, readProviders } from './provider-settings.ts';
import { type RetentionConfig, retentionConfig } from './retention-settings.ts';
import { secretsIn } from './secrets.ts';
import { type ServerConfig, type ServiceConfig, serverConfig, serviceConfig } from './service-settings.ts';
import { ConfigFileError, readKeys, readPresets, readSigningFiles, type SigningFiles } from './setting-files.ts';
import { type Settings, schema, UNSUPPORTED } from './settings.ts';
import { type WebhookConfig, webhookConfig } from './webhook-settings.ts';

/** Variables by name, as in `process.env`. */
type Environment = Readonly<Record<string, string | undefined>>;

/** The configuration in groups, each in the shape that its consumer takes. `Ms` stands for milliseconds, `Bytes` for bytes. */
export interface Config extends ServiceConfig, AccessConfig, WebhookConfig, ImageConfig, CallConfig, RetentionConfig {
  readonly server: ServerConfig;
  /** In order of fallback. */
  readonly providers: readonly ProviderSettings[];
  /** True where `OPENAI_BASE_URL` is set but no provider uses it. */
  readonly hasUnusedBaseURL: boolean;
  /** The built-in presets, with those of `PRESETS` laid over them. */
  readonly presets: Presets;
  /** The identity that signs files as Content Credentials; null where they are not signed. */
  readonly signing: SigningFiles | null;
  /** Masks every secret of the configuration; learns those that are made at the first start. */
  readonly secrets: SecretMask;
}

/** Everything that is wrong with the environment, one issue a line, each naming its variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly issues: readonly string[];

  constructor(issues: readonly string[]) {
    super(
      `the configuration has ${issues.length} issue${issues.length === 1 ? '' : 's'}:\n${issues.map((line) => `  ${line}`).join('\n')}`,
    );
    this.issues = issues;
  }
}

/** Exit code of a process that was started with a wrong configuration (sysexits.h). */
export const EX_CONFIG = 78;

/** Loopback addresses, which only this machine can reach. */
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/;

/**
 * Reads the settings from an environment, where an empty variable counts as unset. Raises `ConfigError` with every issue at
 * once. Issues never quote a value, as it may be a key. Certificates must be valid at `now`, in milliseconds since 1970.
 */
export function readConfig(env: Environment, now = Date.now()): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const unsupported = UNSUPPORTED.filter((name) => name in given).map(
    (name) => `${name}: is not supported by this version; unset it`,
  );
  const fileIssues: string[] = [];
  const keyFile = fromFile(() => readKeys(given.API_KEYS_FILE), fileIssues) ?? { keys: [], secrets: [] };
  const presets = fromFile(() => readPresets(given.PRESETS), fileIssues) ?? BUILT_IN_PRESETS;
  const signing = fromFile(() => readSigningFiles(given.C2PA_CERT, given.C2PA_KEY, now), fileIssues);
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    const invalid = parsed.error.issues.map(({ path, message }) => `${String(path[0])}: ${message}`);
    throw new ConfigError([...new Set(invalid), ...fileIssues, ...unsupported]);
  }
  const settings = parsed.data;
  const images = imageConfig(settings);
  const issues = [
    ...contradictions(settings),
    ...keyConflicts(settings, keyFile.keys),
    ...strayAliases(images.aliases, images.catalog),
    ...fileIssues,
    ...unsupported,
  ];
  const openai = { baseURL: settings.OPENAI_BASE_URL, apiKey: settings.OPENAI_API_KEY };
  const names = settings.PROVIDERS ?? [openai.apiKey === undefined ? 'placeholder' : 'openai'];
  const providers = readProviders(names, given, openai, issues);
  if (issues.length > 0) throw new ConfigError(issues);

  const service = serviceConfig(settings);
  const secretFolder = dirname(service.records.path);
  return {
    ...service,
    ...accessConfig(settings, keyFile.keys, secretFolder),
    ...webhookConfig(settings, secretFolder),
    ...images,
    ...callConfig(settings),
    ...retentionConfig(settings),
    server: serverConfig(settings, httpAccess(settings, LOOPBACK.test(settings.HOST) ? 'open' : 'keyed')),
    providers,
    hasUnusedBaseURL: openai.baseURL !== undefined && !names.includes('openai'),
    presets,
    signing,
    secrets: createSecretMask([...secretsIn(given), ...keyFile.secrets]),
  };
}

/** `readConfig` for a command. A command exits when it is done, so it makes every rendition before it returns. */
export function readCommandConfig(env: Environment): Config {
  return readConfig({ ...env, DEFERRED_RENDITIONS: 'none' });
}

/** The result of `read`, or null after adding the issues of its file to `issues`. */
function fromFile<T>(read: () => T, issues: string[]): T | null {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigFileError)) throw error;
    issues.push(...error.issues);
    return null;
  }
}

/** Issues of variables that are right by themselves but contradict each other. */
function contradictions(settings: Settings): string[] {
  const issues: string[] = [];
  const hasKeys = settings.API_KEYS !== undefined || settings.API_KEYS_FILE !== undefined;
  if (new Set(settings.PROVIDERS).size < (settings.PROVIDERS?.length ?? 0)) {
    issues.push('PROVIDERS: must not name a provider twice');
  }
  if (!LOOPBACK.test(settings.HOST) && !hasKeys && !settings.ALLOW_ANONYMOUS) {
    issues.push(
      'HOST: others can reach this address, and anyone could spend your money; set API_KEYS, or HOST=127.0.0.1, ' +
        'or ALLOW_ANONYMOUS=true if that is meant',
    );
  }
  if (
    settings.PROVIDERS?.includes('openai') &&
    settings.OPENAI_API_KEY === undefined &&
    settings.OPENAI_BASE_URL === undefined
  ) {
    issues.push('OPENAI_API_KEY: is missing, and PROVIDERS asks for openai');
  }
  if (settings.NODE_ENV === 'production' && settings.PROVIDERS === undefined && settings.OPENAI_API_KEY === undefined) {
    issues.push(
      'OPENAI_API_KEY: is missing; in production the placeholder has to be asked for with PROVIDERS=placeholder',
    );
  }
  for (const [name, url] of settings.WEBHOOK_URLS ?? []) {
    if (refusalOfLiteral(url, settings.WEBHOOK_ALLOW_HOSTS ?? []) === null) continue;
    issues.push(
      `WEBHOOK_URLS: the URL of ${name} leads to an address that is not public; correct it, or add its host to WEBHOOK_ALLOW_HOSTS`,
    );
  }
  return issues;
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
