import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Config, ConfigError, readConfig } from '../../src/config/config.ts';
import { settings } from '../../src/config/settings.ts';
import { signingIdentity } from '../support/credentials.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts';

/** A value of a variable, the configuration that it gives, and other variables that it depends on. */
interface Example {
  readonly set: string;
  readonly gives: (config: Config) => unknown;
  readonly as: unknown;
  readonly beside?: Readonly<Record<string, string>>;
}

const DAY_MS = 86_400_000;
const PRIVATE = { MEDIA_ACCESS: 'private' };
const SECRET = 'a secret of 32 characters or more';
const WEBHOOK_SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const REPLICA = { DATABASE_URL: 'postgres://easel@db/easel', MEDIA_SHARED: 'true' };
const BUCKET = { kind: 's3', bucket: 'pictures', adopt: false };
const disk = (root: string) => ({ kind: 'disk', root, adopt: false, shared: false });
const FILES = {
  keys: 'blog:hunter2:read',
  presets: '{"poster": {"description": "A poster", "size": "1024x1536"}}',
  models: '{"my-own": {"promptLimit": 77}}',
};

/** Variables that have a value in the configuration, apart from those that name files. */
const EXAMPLES: Readonly<Record<string, Example>> = {
  HOST: { set: '::1', gives: ({ server }) => server.host, as: '::1' },
  PORT: { set: '8080', gives: ({ server }) => server.port, as: 8080 },
  PUBLIC_URL: {
    set: 'https://a.example/b/',
    gives: ({ server }) => server.publicUrl,
    as: 'https://a.example/b',
  },
  API_KEYS: { set: 'a:b:read', gives: ({ keys }) => keys.fixed.map(({ name }) => name), as: ['a'] },
  MEDIA_ACCESS: { set: 'private', gives: ({ links }) => links !== null, as: true },
  MEDIA_URL_SECRET: { set: SECRET, gives: ({ links }) => links?.secret, as: SECRET, beside: PRIVATE },
  MEDIA_URL_SECONDS: { set: '61', gives: ({ links }) => links?.seconds, as: 61, beside: PRIVATE },
  METRICS_ACCESS: { set: 'keyed', gives: ({ server }) => server.metricsAccess, as: 'keyed' },
  DOCS_ACCESS: { set: 'keyed', gives: ({ server }) => server.docsAccess, as: 'keyed' },
  PAGE: { set: 'off', gives: ({ server }) => server.page, as: false },
  RATE_LIMIT_PER_MINUTE: { set: '7', gives: ({ server }) => server.rateLimits.generate, as: 7 },
  RATE_LIMIT_READ_PER_MINUTE: { set: '7', gives: ({ server }) => server.rateLimits.read, as: 7 },
  RATE_LIMIT_MEDIA_PER_MINUTE: { set: '7', gives: ({ server }) => server.rateLimits.media, as: 7 },
  TRUST_PROXY: { set: 'loopback', gives: ({ server }) => server.trustProxy, as: 'loopback' },
  CORS_ORIGINS: { set: 'https://a.example', gives: ({ server }) => server.corsOrigins, as: ['https://a.example'] },
  FETCH_ALLOW_HOSTS: {
    set: 'a.internal:81',
    gives: ({ fetch }) => fetch.allowHosts,
    as: [{ hostname: 'a.internal', port: 81 }],
  },
  WEBHOOK_SECRET: { set: WEBHOOK_SECRET, gives: ({ webhooks }) => webhooks.secrets, as: [WEBHOOK_SECRET] },
  WEBHOOK_URLS: {
    set: 'blog=https://a.example/?b=c',
    gives: ({ webhooks }) => [...webhooks.urls],
    as: [['blog', 'https://a.example/?b=c']],
  },
  WEBHOOK_ALLOW_HOSTS: {
    set: 'a.internal',
    gives: ({ webhooks }) => webhooks.allowHosts,
    as: [{ hostname: 'a.internal', port: null }],
  },
  MEDIA_DIR: { set: '/pictures', gives: ({ media }) => media, as: disk('/pictures') },
  MEDIA_CACHE_BYTES: { set: '0', gives: ({ server }) => server.mediaCacheBytes, as: 0 },
  ADOPT_MEDIA: { set: 'true', gives: ({ media }) => media.adopt, as: true },
  DATABASE_URL: {
    set: 'sqlite:/data/a.db',
    gives: ({ records }) => records,
    as: { kind: 'sqlite', path: '/data/a.db' },
  },
  ROLE: { set: 'worker', gives: ({ role }) => role, as: 'worker', beside: REPLICA },
  DATABASE_POOL: {
    set: '7',
    gives: ({ records }) => records,
    as: { kind: 'postgres', url: REPLICA.DATABASE_URL, poolSize: 7 },
    beside: REPLICA,
  },
  S3_BUCKET: {
    set: 'pictures',
    gives: ({ media }) => media,
    as: { ...BUCKET, prefix: '', region: 'eu-central-1', endpoint: null, forcePathStyle: false },
    beside: { AWS_REGION: 'eu-central-1' },
  },
  S3_ENDPOINT: {
    set: 'http://127.0.0.1:9000/',
    gives: ({ media }) => media,
    as: { ...BUCKET, prefix: '', region: 'eu-west-1', endpoint: 'http://127.0.0.1:9000', forcePathStyle: true },
    beside: { S3_BUCKET: 'pictures', S3_REGION: 'eu-west-1' },
  },
  S3_REGION: {
    set: 'eu-north-1',
    gives: ({ media }) => media,
    as: { ...BUCKET, prefix: '', region: 'eu-north-1', endpoint: null, forcePathStyle: false },
    beside: { S3_BUCKET: 'pictures', AWS_REGION: 'eu-central-1' },
  },
  S3_PREFIX: {
    set: 'easel/a',
    gives: ({ media }) => media,
    as: { ...BUCKET, prefix: 'easel/a/', region: 'us-east-1', endpoint: 'http://s3', forcePathStyle: true },
    beside: { S3_BUCKET: 'pictures', S3_ENDPOINT: 'http://s3' },
  },
  S3_FORCE_PATH_STYLE: {
    set: 'false',
    gives: ({ media }) => media,
    as: { ...BUCKET, prefix: '', region: 'us-east-1', endpoint: 'http://s3', forcePathStyle: false },
    beside: { S3_BUCKET: 'pictures', S3_ENDPOINT: 'http://s3' },
  },
  MEDIA_DELIVERY: {
    set: 'redirect',
    gives: ({ server }) => server.mediaDelivery,
    as: 'redirect',
    beside: { S3_BUCKET: 'pictures', S3_ENDPOINT: 'http://s3' },
  },
  PROVIDERS: {
    set: 'openai,placeholder',
    gives: ({ providers }) => providers.map(({ name }) => name),
    as: ['openai', 'placeholder'],
    beside: { OPENAI_API_KEY: 'sk-x' },
  },
  OPENAI_API_KEY: { set: 'sk-y', gives: ({ providers }) => providers[0]?.apiKey, as: 'sk-y' },
  OPENAI_BASE_URL: {
    set: 'http://127.0.0.1:8080/v1',
    gives: ({ providers }) => providers[0]?.baseURL,
    as: 'http://127.0.0.1:8080/v1',
    beside: { OPENAI_API_KEY: 'sk-x' },
  },
  IMAGE_MODEL: { set: 'my-own', gives: ({ defaults }) => defaults.model, as: 'my-own' },
  MODEL_ALIASES: {
    set: 'dall-e-3=gpt-image-2',
    gives: ({ aliases, catalog }) => [aliases.get('dall-e-3'), catalog.get('dall-e-3')?.id],
    as: ['gpt-image-2', 'gpt-image-2'],
  },
  IMAGE_SIZE: { set: '640x480', gives: ({ defaults }) => defaults.size, as: { width: 640, height: 480 } },
  IMAGE_QUALITY: { set: 'low', gives: ({ defaults }) => defaults.quality, as: 'low' },
  IMAGE_RENDITIONS: {
    set: '64x48.webp',
    gives: ({ defaults }) => defaults.renditions,
    as: [{ width: 64, height: 48, format: 'webp' }],
  },
  CROP: { set: 'entropy', gives: ({ defaults }) => defaults.crop, as: 'entropy' },
  CROP_GROUND: { set: 'transparent', gives: ({ containBackground }) => containBackground, as: 'transparent' },
  DEFERRED_RENDITIONS: { set: 'png,avif', gives: ({ pipeline }) => pipeline.deferredFormats, as: ['png', 'avif'] },
  CHECK_UNIFORMITY: { set: 'off', gives: ({ checks }) => checks.uniformity, as: 'off' },
  CHECK_ENTROPY: { set: 'off', gives: ({ checks }) => checks.entropy, as: 'off' },
  CHECK_SHARPNESS: { set: 'reject', gives: ({ checks }) => checks.sharpness, as: 'reject' },
  CHECK_BORDERS: { set: 'reject', gives: ({ checks }) => checks.borders, as: 'reject' },
  CHECK_SIZE: { set: 'off', gives: ({ checks }) => checks.size, as: 'off' },
  CHECK_RATIO: { set: 'off', gives: ({ checks }) => checks.ratio, as: 'off' },
  REGENERATE_ON_REJECT: { set: 'true', gives: ({ pipeline }) => pipeline.regenerateOnReject, as: true },
  GENERATION_TIMEOUT_SECONDS: { set: '1.5', gives: ({ callTimeoutMs }) => callTimeoutMs, as: 1500 },
  RETRY_MAX_ATTEMPTS: { set: '7', gives: ({ retry }) => retry.maxAttempts, as: 7 },
  RETRY_DEADLINE_SECONDS: { set: '7', gives: ({ retry }) => retry.deadlineMs, as: 7000 },
  RETRY_BUDGET_PER_MINUTE: { set: '7', gives: ({ retry }) => retry.retriesPerMinute, as: 7 },
  AMBIGUOUS_RETRIES: { set: '7', gives: ({ retry }) => retry.ambiguousRetries, as: 7 },
  CONCURRENCY: { set: '7', gives: ({ queue }) => queue.concurrency, as: 7 },
  IMAGING_CONCURRENCY: {
    set: '10',
    gives: ({ imaging }) => imaging,
    as: { pictures: 10, threads: 3, picturesPerThread: 4 },
  },
  INPUT_MEMORY_BYTES: {
    set: '70000000',
    gives: ({ inputs, server }) => [inputs.memoryBytes, server.inputMemoryBytes],
    as: [70_000_000, 70_000_000],
  },
  QUEUE_LIMIT: { set: '7', gives: ({ queue }) => queue.limit, as: 7 },
  MCP_WAIT_SECONDS: { set: '7', gives: ({ server }) => server.mcpWaitSeconds, as: 7 },
  OPENAI_WAIT_SECONDS: { set: '7', gives: ({ server }) => server.openAiWaitSeconds, as: 7 },
  SYNC_WAIT_SECONDS: { set: '7', gives: ({ server }) => server.syncWaitSeconds, as: 7 },
  BUDGET_USD_PER_DAY: { set: '7', gives: ({ budget }) => budget.usdPerDay, as: 7 },
  EMBED_PROMPT: { set: 'true', gives: ({ pipeline }) => pipeline.embedPrompt, as: true },
  RETENTION: { set: '7d', gives: ({ retention }) => retention.olderThanMs, as: 7 * DAY_MS },
  RETENTION_BY_LABEL: {
    set: 'draft:1d,press:2d',
    gives: ({ retention }) => [...retention.byLabel],
    as: [
      ['draft', DAY_MS],
      ['press', 2 * DAY_MS],
    ],
  },
  MEDIA_MAX_BYTES: { set: '7', gives: ({ retention }) => retention.maxBytes, as: 7 },
  CLEANUP_INTERVAL_SECONDS: { set: '7', gives: ({ retention }) => retention.intervalMs, as: 7000 },
  SHUTDOWN_GRACE_SECONDS: { set: '7', gives: ({ shutdownGraceMs }) => shutdownGraceMs, as: 7000 },
  LOG_LEVEL: { set: 'trace', gives: ({ log }) => log.level, as: 'trace' },
  LOG_PROMPTS: { set: 'true', gives: ({ log }) => log.prompts, as: true },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    set: 'http://127.0.0.1:4318',
    gives: ({ tracing }) => tracing,
    as: { endpoint: 'http://127.0.0.1:4318' },
  },
};

/** Variables that name a file, with the part of its content that the configuration holds. */
const FILE_EXAMPLES: Readonly<Record<string, Omit<Example, 'set'> & { readonly file: string }>> = {
  API_KEYS_FILE: { file: 'keys', gives: ({ keys }) => keys.fromFile.map(({ name }) => name), as: ['blog'] },
  PRESETS: { file: 'presets', gives: ({ presets }) => presets.some(({ name }) => name === 'poster'), as: true },
  MODEL_CATALOG: { file: 'models', gives: ({ catalog }) => catalog.get('my-own')?.promptLimit, as: 77 },
};

/** Variables that have no value in the configuration, but decide whether it is accepted. */
const CONDITIONS: Readonly<Record<string, { set: string; beside: Record<string, string>; accepts: boolean }>> = {
  MEDIA_SHARED: { set: 'true', beside: { DATABASE_URL: REPLICA.DATABASE_URL }, accepts: true },
  ALLOW_ANONYMOUS: { set: 'true', beside: { HOST: '0.0.0.0' }, accepts: true },
  NODE_ENV: { set: 'production', beside: {}, accepts: false },
};

const SIGNING = ['C2PA_CERT', 'C2PA_KEY'];

let folder: TemporaryFolder;

beforeAll(async () => {
  folder = await temporaryFolder();
  for (const [name, content] of Object.entries(FILES)) await writeFile(join(folder.path, name), content);
});
afterAll(() => folder[Symbol.asyncDispose]());

describe('a variable', () => {
  it('has an example here', () => {
    const covered = [EXAMPLES, FILE_EXAMPLES, CONDITIONS].flatMap((examples) => Object.keys(examples));
    expect([...covered, ...SIGNING].sort()).toEqual(Object.keys(settings).sort());
  });

  it.each(Object.entries(EXAMPLES))('%s sets its part of the configuration', (name, { set, gives, as, beside }) => {
    expect(gives(readConfig({ ...beside }))).not.toEqual(as);
    expect(gives(readConfig({ ...beside, [name]: set }))).toEqual(as);
  });

  it.each(Object.entries(FILE_EXAMPLES))('%s names a file that is read', (name, { file, gives, as }) => {
    const path = join(folder.path, file);
    expect(gives(readConfig({}))).not.toEqual(as);
    expect(gives(readConfig({ [name]: path }))).toEqual(as);
  });

  it('API_KEYS_FILE is kept, so that it can be reloaded', () => {
    const file = join(folder.path, 'keys');
    expect([readConfig({}).keys.file, readConfig({ API_KEYS_FILE: file }).keys.file]).toEqual([null, file]);
  });

  it('C2PA_CERT and C2PA_KEY are the signing identity', async () => {
    const { certificatePem, keyPem } = await signingIdentity();
    const [cert = '', key = ''] = SIGNING.map((name) => join(folder.path, name));
    await Promise.all([writeFile(cert, certificatePem), writeFile(key, keyPem)]);
    const { signing } = readConfig({ C2PA_CERT: cert, C2PA_KEY: key });
    expect(readConfig({}).signing).toBeNull();
    expect(signing?.key.export({ type: 'pkcs8', format: 'pem' })).toBe(keyPem);
    expect(certificatePem).toContain(signing?.chain[0].toString().split('\n')[1]);
  });

  it.each(Object.entries(CONDITIONS))(
    '%s decides whether a configuration is accepted',
    (name, { set, beside, accepts }) => {
      expect([isAccepted(beside), isAccepted({ ...beside, [name]: set })]).toEqual([!accepts, accepts]);
    },
  );
});

it.each([
  ['https://example.com', 'https://example.com'],
  ['http://example.com:8080/', 'http://example.com:8080'],
  ['https://example.com/a/b/', 'https://example.com/a/b'],
  ['HTTPS://Example.com/a', 'https://example.com/a'],
])('PUBLIC_URL takes %s as the base %s', (given, base) => {
  expect(readConfig({ PUBLIC_URL: given }).server.publicUrl).toBe(base);
});

it.each([
  'example.com',
  '/easel',
  'ftp://example.com',
  'https://a:b@example.com',
  'https://example.com/?a',
  'https://example.com/#',
  'https://example.com?',
])('PUBLIC_URL refuses %s in words', (given) => {
  expect(() => readConfig({ PUBLIC_URL: given })).toThrow(/PUBLIC_URL: must be an http or https URL without query/);
});

function isAccepted(env: Readonly<Record<string, string>>): boolean {
  try {
    readConfig(env);
    return true;
  } catch (error) {
    if (error instanceof ConfigError) return false;
    throw error;
  }
}
