import { dirname, join } from 'node:path';
import { z } from 'zod';
import { type ApiKey, clashes } from '../http/keys.ts';
import type { Budget } from '../images/budget.ts';
import { CHECK_MODES, type CheckName, CROPS, DEFAULT_CHECKS, QUALITIES, RENDITION_FORMATS } from '../images/image.ts';
import { ageText, renditionText, sizeText } from '../images/notation.ts';
import { BUILT_IN_PRESETS, type Presets } from '../images/presets.ts';
import { type Catalog, createCatalog } from '../providers/catalog.ts';
import { readCatalogFile } from '../providers/catalog-file.ts';
import { accessSettings } from './access-settings.ts';
import { baseUrl, type ProviderSettings, providerName, providerSettings, readProviders } from './provider-settings.ts';
import { ConfigFileError, readKeys, readPresets, readSigningFiles, type SigningFiles } from './setting-files.ts';
import { count, flag, list, seconds } from './setting-types.ts';
import { webhookSettings } from './webhook-settings.ts';

/** Loopback addresses: whoever reaches these is on this machine already. */
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/;

const labelledAge = z
  .string()
  .regex(/^[^:]+:[^:]+$/, 'must be LABEL:AGE, such as draft:1d')
  .transform((value) => value.split(':'))
  .pipe(z.tuple([z.string(), ageText]));
const catalogFile = z.string().transform((path, context) => {
  const file = readCatalogFile(path);
  if ('models' in file) return file.models;
  for (const message of file.faults) context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

/** `50,blog:10`: a sum for all, and sums for keys by name. */
const budget = z
  .string()
  .regex(
    /^(?:[^,:\s]+:)?\d+(?:\.\d{1,6})?(?:,(?:[^,:\s]+:)?\d+(?:\.\d{1,6})?)*$/,
    'must be US dollars, for all or for a key by name, commas between, such as 50 or 50,blog:10',
  )
  .transform((text, context): Budget => {
    const limits = text.split(',').map((part) => part.split(':').reverse());
    const sums = new Map(limits.map(([usd, key = null]) => [key, Number(usd)]));
    if (sums.size < limits.length) {
      context.addIssue({ code: 'custom', message: 'names the same key, or the sum for all, more than once' });
    }
    const usdPerDay = sums.get(null) ?? null;
    return {
      usdPerDay,
      usdPerDayOfKey: new Map([...sums].flatMap(([key, usd]) => (key === null ? [] : [[key, usd]]))),
    };
  });

const alias = z
  .string()
  .regex(/^[^=\s]+=[^=\s]+$/, 'must be NAME=MODEL, commas between, such as dall-e-3=gpt-image-2')
  .transform((text) => text.split('=') as [string, string]);

const check = (name: CheckName) => z.enum(CHECK_MODES).default(DEFAULT_CHECKS[name]);
const CHECK_WORDS = ': `off`, `warn` or `reject`.';

/** Every variable that Easel reads. The README's table is made from this: the description, and `default` as it is written there. */
export const settings = {
  HOST: z
    .string()
    .default('127.0.0.1')
    .describe('Address to listen on. Off loopback it takes API keys, or `ALLOW_ANONYMOUS=true`.'),
  PORT: count(0, 65_535).default(3000).describe('Port to listen on; `0` takes a free one and logs it.'),
  ALLOW_ANONYMOUS: flag
    .default(false)
    .describe('Serve without API keys on an address that other machines can reach. With keys it changes nothing.'),
  ...accessSettings,
  ...webhookSettings,
  MEDIA_DIR: z.string().default('media').describe('Folder of the pictures.'),
  MEDIA_CACHE_BYTES: count(0, 2 ** 40)
    .default(64 * 1024 * 1024)
    .describe('Memory for pictures that are asked for again and again; `0` serves every one from disk.'),
  DATABASE_URL: z
    .string()
    .regex(/^sqlite:.+/, 'must be sqlite:PATH, such as sqlite:.data/easel.db')
    .default('sqlite:.data/easel.db')
    .describe('Where records and jobs are kept.'),
  PROVIDERS: list(providerName)
    .optional()
    .describe(
      'Who makes the pictures, in the order of fallback, such as `openai,backup,placeholder`. Default: `openai` with a key, else `placeholder`, which paints abstract pictures by itself.',
    ),
  OPENAI_API_KEY: z.string().optional().describe('Key for the `openai` provider.'),
  OPENAI_BASE_URL: baseUrl.optional().describe("Any OpenAI-compatible server. Default: OpenAI's own."),
  IMAGE_MODEL: z.string().default('gpt-image-2').describe('Model where the request names none.'),
  MODEL_CATALOG: catalogFile
    .optional()
    .describe('JSON file of models and prices that replace or join the built-in ones; see Models and money.'),
  MODEL_ALIASES: list(alias)
    .optional()
    .describe('Models to use in place of those that are asked for, such as `dall-e-3=gpt-image-2`; commas between.'),
  IMAGE_SIZE: sizeText.prefault('1792x1024').describe('Size of the master where neither request nor preset says one.'),
  IMAGE_QUALITY: z.enum(QUALITIES).default('auto').describe('Quality where neither request nor preset says one.'),
  IMAGE_RENDITIONS: list(renditionText)
    .prefault('1200x675.png')
    .describe('Renditions where neither request nor preset says any; commas between.'),
  PRESETS: z
    .string()
    .optional()
    .describe('JSON file with presets of your own, beside or in place of the built-in ones.'),
  CROP: z
    .enum(CROPS)
    .default('centre')
    .describe(
      'How a picture of another shape becomes the one asked for, where the preset does not say: cut around the middle, around what draws the eye (`attention`) or has most detail (`entropy`), or kept whole on a plain ground (`contain`).',
    ),
  CROP_GROUND: z
    .string()
    .regex(/^(#[0-9a-f]{6}|transparent)$/i, 'must be #rrggbb or transparent')
    .default('#ffffff')
    .describe('What `contain` lays pictures on: `#rrggbb` or `transparent` (white in a jpeg).'),
  DEFERRED_RENDITIONS: z
    .union([z.literal('none').transform(() => []), list(z.enum(RENDITION_FORMATS))])
    .prefault('avif')
    .describe(
      'Formats of renditions that are made after the picture is answered, and are `pending` until then; commas between, or `none`.',
    ),
  CHECK_UNIFORMITY: check('uniformity').describe(`Blank and nearly blank pictures${CHECK_WORDS}`),
  CHECK_ENTROPY: check('entropy').describe(`Pictures with next to nothing in them${CHECK_WORDS}`),
  CHECK_SHARPNESS: check('sharpness').describe(`Pictures that are blurred throughout${CHECK_WORDS}`),
  CHECK_BORDERS: check('borders').describe(`Flat bars on opposite sides${CHECK_WORDS}`),
  CHECK_SIZE: check('size').describe(`Pictures smaller than asked for${CHECK_WORDS}`),
  CHECK_RATIO: check('ratio').describe(`Pictures of another shape than asked for${CHECK_WORDS}`),
  REGENERATE_ON_REJECT: flag
    .default(false)
    .describe('Pay for one more try when a picture is rejected, within `RETRY_MAX_ATTEMPTS`.'),
  GENERATION_TIMEOUT_SECONDS: seconds(1).default(300).describe('For one call to a provider.'),
  RETRY_MAX_ATTEMPTS: count(1, 20).default(4).describe('Calls to one provider for one picture, the first included.'),
  RETRY_DEADLINE_SECONDS: seconds(0).default(600).describe('No call begins later than this after the first.'),
  AMBIGUOUS_RETRIES: count(0, 10)
    .default(1)
    .describe('Calls that may follow one whose outcome is unknown; each may have been billed.'),
  CONCURRENCY: count(1, 256).default(4).describe('Pictures made at the same time.'),
  QUEUE_LIMIT: count(1, 1_000_000)
    .default(1000)
    .describe('Pictures that may wait; more are refused with 429 `queue_full`.'),
  SYNC_WAIT_SECONDS: seconds(0, 3600)
    .default(120)
    .describe('How long `POST /images` waits for the picture before it answers 202.'),
  BUDGET_USD_PER_DAY: budget
    .optional()
    .describe(
      'Most US dollars that a day (UTC) may cost, in all and for API keys by name, such as `50` or `50,blog:10`; more is refused with 429 `budget_exhausted`.',
    ),
  C2PA_CERT: z
    .string()
    .optional()
    .describe(
      'PEM file of the certificate that files are signed with as Content Credentials, its issuers after it. With `C2PA_KEY`.',
    ),
  C2PA_KEY: z.string().optional().describe('PEM file of its private key: P-256, P-384, Ed25519 or RSA.'),
  EMBED_PROMPT: flag.default(false).describe('Also write the prompt into the files, as XMP, for everyone to read.'),
  RETENTION: ageText.optional().describe('Delete pictures older than this, such as `30d`. Default: never.'),
  RETENTION_BY_LABEL: list(labelledAge)
    .optional()
    .describe(
      'Other ages for pictures with a label, such as `draft:1d,press:365d`; the longest counts. What is labelled `pinned` stays.',
    ),
  MEDIA_MAX_BYTES: count(1, Number.MAX_SAFE_INTEGER)
    .optional()
    .describe('Delete the oldest pictures when all files together take more than this, in bytes.'),
  CLEANUP_INTERVAL_SECONDS: seconds(1).default(3600).describe('How often the cleanup runs by itself.'),
  SHUTDOWN_GRACE_SECONDS: seconds(0, 3600).default(30).describe('How long running work may take to end after SIGTERM.'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('What is logged.'),
  LOG_PROMPTS: flag.default(false).describe('Also log prompt texts.'),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL, such as http://127.0.0.1:4318' })
    .optional()
    .describe(
      'Collector that traces are sent to, by OTLP over HTTP (JSON): `/v1/traces` below this URL. Default: no traces.',
    ),
  NODE_ENV: z
    .string()
    .optional()
    .describe('`production` refuses to start on the placeholder unless `PROVIDERS=placeholder` is said.'),
} as const;

/**
 * Promised variables that would be dangerous to ignore: someone who sets one of these counts on it.
 * Each leaves this list with the feature that it belongs to.
 */
const NOT_YET = ['S3_BUCKET'] as const;

const schema = z.object(settings);

export type Settings = z.output<typeof schema>;

export interface Config
  extends Omit<
    Settings,
    'PROVIDERS' | 'BUDGET_USD_PER_DAY' | 'MODEL_CATALOG' | 'MODEL_ALIASES' | 'METRICS_ACCESS' | 'DOCS_ACCESS'
  > {
  readonly METRICS_ACCESS: 'open' | 'admin';
  readonly DOCS_ACCESS: 'open' | 'admin';
  /** The keys that `API_KEYS_FILE` held when it was read. */
  readonly keysInFile: readonly ApiKey[];
  /** In the order of fallback. */
  readonly providers: readonly ProviderSettings[];
  readonly BUDGET_USD_PER_DAY: Budget;
  readonly MODEL_ALIASES: ReadonlyMap<string, string>;
  /** The built-in models, those of `MODEL_CATALOG`, and `MODEL_ALIASES`. */
  readonly catalog: Catalog;
  /** Path of the database file. */
  readonly databasePath: string;
  /** The presets there are: the file's over the built-in ones. */
  readonly presets: Presets;
  /** What files are signed with, or null where they are not. */
  readonly signing: SigningFiles | null;
  /** Path of the secret that signs URLs where none is set. */
  readonly mediaUrlSecretPath: string;
  /** Path of the secret that signs webhooks where none is set. */
  readonly webhookSecretPath: string;
}

/** What is wrong with the environment, one line a variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `the configuration has ${problems.length} fault${problems.length === 1 ? '' : 's'}:\n${problems.map((line) => `  ${line}`).join('\n')}`,
    );
    this.problems = problems;
  }
}

/**
 * Reads the settings from an environment; an empty variable counts as unset. Raises `ConfigError` with every fault at once.
 * Values are never quoted back: one of them may be a key. `now`, in milliseconds since 1970, is what certificates are held against.
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>, now = Date.now()): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const unbuilt = NOT_YET.filter((name) => name in given).map(
    (name) => `${name}: is not supported by this version; unset it`,
  );
  const inFiles: string[] = [];
  const keysInFile = fromFile(() => readKeys(given.API_KEYS_FILE), inFiles) ?? [];
  const presets = fromFile(() => readPresets(given.PRESETS), inFiles) ?? BUILT_IN_PRESETS;
  const signing = fromFile(() => readSigningFiles(given.C2PA_CERT, given.C2PA_KEY, now), inFiles);
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `${String(path[0])}: ${message}`);
    throw new ConfigError([...new Set(faults), ...inFiles, ...unbuilt]);
  }
  const { PROVIDERS, MODEL_CATALOG, MODEL_ALIASES, BUDGET_USD_PER_DAY, ...rest } = parsed.data;
  const aliases = new Map(MODEL_ALIASES);
  const catalog = createCatalog({ models: MODEL_CATALOG ?? new Map(), aliases });
  const clashing = clashes([...(rest.API_KEYS ?? []), ...keysInFile]).map((fault) => `API_KEYS_FILE: ${fault}`);
  const faults = [
    ...contradictions(parsed.data),
    ...clashing,
    ...strayAliases(aliases, catalog),
    ...inFiles,
    ...unbuilt,
  ];
  const names = PROVIDERS ?? [rest.OPENAI_API_KEY === undefined ? 'placeholder' : 'openai'];
  const providers = readProviders(names, given, { baseURL: rest.OPENAI_BASE_URL, apiKey: rest.OPENAI_API_KEY }, faults);
  if (faults.length > 0) throw new ConfigError(faults);
  const databasePath = rest.DATABASE_URL.slice('sqlite:'.length);
  const byDefault = LOOPBACK.test(rest.HOST) ? 'open' : 'admin';
  return {
    ...rest,
    providers,
    catalog,
    MODEL_ALIASES: aliases,
    BUDGET_USD_PER_DAY: BUDGET_USD_PER_DAY ?? { usdPerDay: null, usdPerDayOfKey: new Map() },
    METRICS_ACCESS: rest.METRICS_ACCESS ?? byDefault,
    DOCS_ACCESS: rest.DOCS_ACCESS ?? byDefault,
    keysInFile,
    databasePath,
    mediaUrlSecretPath: join(dirname(databasePath), 'media-url-secret'),
    webhookSecretPath: join(dirname(databasePath), 'webhook-secret'),
    presets,
    signing,
  };
}

/** What a file holds, or null and what is wrong with it added to `faults`. */
function fromFile<T>(read: () => T, faults: string[]): T | null {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigFileError)) throw error;
    faults.push(...error.problems);
    return null;
  }
}

/** What is wrong although each variable by itself is right. */
function contradictions(config: Settings): string[] {
  const faults: string[] = [];
  const hasKeys = config.API_KEYS !== undefined || config.API_KEYS_FILE !== undefined;
  if (new Set(config.PROVIDERS).size < (config.PROVIDERS?.length ?? 0)) {
    faults.push('PROVIDERS: must not name a provider twice');
  }
  if (!LOOPBACK.test(config.HOST) && !hasKeys && !config.ALLOW_ANONYMOUS) {
    faults.push(
      'HOST: others can reach this address, and anyone could spend your money; set API_KEYS, or HOST=127.0.0.1, or ALLOW_ANONYMOUS=true if that is meant',
    );
  }
  if (
    config.PROVIDERS?.includes('openai') &&
    config.OPENAI_API_KEY === undefined &&
    config.OPENAI_BASE_URL === undefined
  ) {
    faults.push('OPENAI_API_KEY: is missing, and PROVIDERS asks for openai');
  }
  if (config.NODE_ENV === 'production' && config.PROVIDERS === undefined && config.OPENAI_API_KEY === undefined) {
    faults.push(
      'OPENAI_API_KEY: is missing; in production the placeholder has to be asked for with PROVIDERS=placeholder',
    );
  }
  return faults;
}

/** An alias that leads nowhere would make every request for it fail. */
function strayAliases(aliases: ReadonlyMap<string, string>, catalog: Catalog): string[] {
  return [...aliases]
    .filter(([alias, id]) => catalog.get(alias)?.id !== id)
    .map(
      ([alias, id]) =>
        `MODEL_ALIASES: ${alias} leads to ${id}, which is no model of the catalog; correct it, or add ${id} with MODEL_CATALOG`,
    );
}

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
