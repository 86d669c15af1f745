import { describe, expect, it } from 'vitest';
import { providerSettings } from '../../../src/config/provider-settings.ts';
import { settings } from '../../../src/config/settings.ts';
import { issuesOf } from '../issues-of.ts';
import { useExampleFiles } from './example-files.ts';

/** Wrong values of a variable, and the words about each of them. */
type Row = readonly [values: readonly string[], words: string];

/** What `_OMIT` takes. */
const OMITTABLE =
  'size, n, quality, style, background, output_format, output_compression, moderation, input_fidelity or safety_identifier';

const wholeNumber = (least: number, most: number): Row => [
  ['x', ' ', '1,5', '1.5', '1e3', '0x10', 'Infinity', 'NaN', '-1', `${least - 1}`, `${most + 1}`, '9'.repeat(400)],
  `must be a whole number from ${least} to ${most}`,
];
const bytes = (least: number, most: number): Row => [
  wholeNumber(least, most)[0],
  `must be a whole number of bytes from ${least} to ${most}`,
];
const seconds = (least: number, most = 86_400): Row => [
  ['x', ' ', '5m', '1e3', 'Infinity', 'NaN', '-1', `${least - 0.5}`, `${most + 0.5}`, '9'.repeat(400)],
  `must be a number of seconds from ${least} to ${most}`,
];
const oneOf = (...values: readonly string[]): Row => [
  ['x', ' ', '0', `${values[0]} `, (values[0] ?? '').toUpperCase()],
  `must be ${values.slice(0, -1).join(', ')} or ${values.at(-1)}`,
];
const flag = oneOf('true', 'false');
const check = oneOf('off', 'warn', 'reject');
const access = [oneOf('x')[0], expect.stringMatching(/^must be \w+ or \w+$/)] as unknown as Row;
const address: Row = [
  ['x', ' ', 'ftp://a', 'a.example', '//a', 'http://'],
  'must be an http or https URL, such as http://127.0.0.1:8080/v1',
];
const allowedHost: Row = [
  ['http://a', 'a/b', 'a:0', 'a:70000', 'a b'],
  'must be host or host:port, such as 127.0.0.1:8080 or hooks.internal',
];
const age: Row = [
  ['x', ' ', '30', '-1d', '1.5d', '30 days', '1w', '9999999d'],
  'must be a number and s, m, h or d, such as 30d',
];
const providerKey: Row = [
  ['sk-…', ' ', 'sk a', 'sk\r', 'sk\n', 'schlüssel', 'sk\u200b'],
  'must be visible ASCII characters, without spaces; set your own key in place of an example such as sk-…',
];
const json: Row = [['MISSING'], 'there is no file at this path'];

const WRONG: Readonly<Record<string, readonly Row[]>> = {
  HOST: [
    [
      ['a b', ' ', '127.0.0.1:3000', 'http://a', '[::1]', '*', '1::2::3', '-a'],
      'must be an IP address or a host name alone, such as 127.0.0.1, :: or localhost',
    ],
    [
      ['0.0.0.0', '::', 'nope', '10.0.0.1'],
      'others can reach this address, and anyone could spend your money; set API_KEYS_FILE (easel keys create makes a key), ' +
        'or HOST=127.0.0.1, or ALLOW_ANONYMOUS=true if that is meant',
    ],
  ],
  PORT: [wholeNumber(0, 65_535)],
  PUBLIC_URL: [
    [
      ['x', 'a.com', 'ftp://a', 'http://me:x@a', 'http://a/?b', 'http://a/#b'],
      'must be an http or https URL without query, fragment and password, such as https://example.com/easel',
    ],
  ],
  ALLOW_ANONYMOUS: [flag],
  API_KEYS: [
    [['x', ' ', 'a:b'], 'entry 1: must be name:secret:scope+scope'],
    [['a::read'], 'entry 1: the secret must be one or more visible ASCII characters, without spaces'],
  ],
  API_KEYS_FILE: [
    json,
    [['FOLDER'], 'this path leads to a folder, and must lead to a file'],
    [['LIST'], 'line 1: must be name:secret:scope+scope'],
  ],
  MEDIA_ACCESS: [oneOf('public', 'private')],
  MEDIA_URL_SECRET: [[['x', 'x'.repeat(31)], 'must have 32 characters or more']],
  MEDIA_URL_SECONDS: [seconds(60, 604_800)],
  METRICS_ACCESS: [access],
  DOCS_ACCESS: [access],
  PAGE: [oneOf('on', 'off')],
  RATE_LIMIT_PER_MINUTE: [wholeNumber(1, 1_000_000)],
  RATE_LIMIT_READ_PER_MINUTE: [wholeNumber(1, 1_000_000)],
  RATE_LIMIT_MEDIA_PER_MINUTE: [wholeNumber(1, 1_000_000)],
  TRUST_PROXY: [
    [
      ['yes', ' ', '1', '10.0.0.0/40', '10.0.0.1,'],
      'must be true, false, or addresses and networks of proxies such as 10.0.0.0/8, or loopback, linklocal, uniquelocal',
    ],
  ],
  CORS_ORIGINS: [
    [
      ['x', 'https://a/', 'https://a/b'],
      'must be an origin such as https://www.example.com, without a path, or * for all',
    ],
  ],
  FETCH_ALLOW_HOSTS: [allowedHost, [['a,,b'], 'entry 2: is empty; take the comma out or name something']],
  WEBHOOK_SECRET: [
    [
      ['x', 'whsec_', 'whsec_YWJj', 'whsec_!'],
      'must be whsec_ and 24 to 64 bytes in base64, such as `openssl rand -base64 32` gives',
    ],
  ],
  WEBHOOK_URLS: [
    [
      ['x', 'https://a', 'blog=', 'blog=ftp://a', '=https://a'],
      'must be NAME=URL, such as blog=https://example.com/hooks/easel',
    ],
  ],
  WEBHOOK_ALLOW_HOSTS: [allowedHost],
  MEDIA_DIR: [],
  ADOPT_MEDIA: [flag],
  MEDIA_CACHE_BYTES: [bytes(0, 2 ** 40)],
  DATABASE_URL: [
    [
      ['x', ' ', 'sqlite:', 'mysql://a/b', 'postgres:a', 'postgres://a:b:c/d', '.data/easel.db'],
      'must be sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE, such as sqlite:.data/easel.db',
    ],
  ],
  ROLE: [
    oneOf('all', 'api', 'worker'),
    [['api', 'worker'], 'SQLite takes one process, which does all; set ROLE=all, or DATABASE_URL to PostgreSQL'],
  ],
  DATABASE_POOL: [wholeNumber(1, 1000)],
  S3_BUCKET: [
    [
      ['x', ' ', 'My_Bucket', 's3://bucket', 'bucket/a', '-bucket', 'b'.repeat(64)],
      'must be 3 to 63 small letters, digits, hyphens and single dots',
    ],
  ],
  S3_ENDPOINT: [
    [
      ['x', ' ', 's3.example', 'ftp://a', 'http://me:x@a', 'http://a/?b', 'http://a/#b', 'http://'],
      'must be an http or https URL without query, fragment and password, such as http://127.0.0.1:9000',
    ],
  ],
  S3_REGION: [
    [['EU', ' ', 'eu central', 'x'.repeat(65)], 'must be small letters, digits and hyphens, such as eu-central-1'],
  ],
  S3_PREFIX: [
    [
      ['/', '/a', 'a//b', 'a b', 'ä', 'a?b', ' '],
      'must be letters, digits, dots, hyphens and underscores, with single slashes between, such as easel/production',
    ],
    [['x'.repeat(513)], 'must have at most 512 characters'],
  ],
  S3_FORCE_PATH_STYLE: [flag],
  MEDIA_DELIVERY: [
    oneOf('stream', 'redirect'),
    [['redirect'], 'there is no bucket to redirect to; set S3_BUCKET, or MEDIA_DELIVERY=stream'],
  ],
  MEDIA_SHARED: [
    flag,
    [['true'], 'SQLite takes one process, with a folder of its own; set DATABASE_URL to PostgreSQL'],
  ],
  PROVIDERS: [
    [
      ['My Server', 'azure_eu', '1', 'x'.repeat(33)],
      'must be a name such as openai, backup or azure-eu: at most 32 small letters, digits and hyphens',
    ],
    [[' '], 'is empty; take the comma out or name something'],
  ],
  OPENAI_API_KEY: [providerKey],
  OPENAI_BASE_URL: [
    address,
    [
      ['http://me:x@a'],
      'must hold no user and no password: no request can be sent to such a URL; a key has its own variable',
    ],
  ],
  IMAGE_MODEL: [],
  MODEL_CATALOG: [
    json,
    [['FOLDER'], 'this path leads to a folder, and must lead to a file'],
    [['KEYS'], 'the file is not valid JSON (near line 1)'],
    [['JSON'], 'the file is not valid JSON (near line 3)'],
    [['LIST'], 'the file: must be an object of models by id, such as {"dall-e-3": {"shutdownDate": null}}'],
  ],
  MODEL_ALIASES: [[['x', '=', 'a=b=c', 'a b=c'], 'must be NAME=MODEL, commas between, such as dall-e-3=gpt-image-2']],
  IMAGE_SIZE: [
    [
      ['x', ' ', '1792', '1792×1024', '-1x5'],
      'must be WIDTHxHEIGHT in pixels with the letter x between, such as 1792x1024',
    ],
    [['9x99999'], 'each side must be 16 to 4096 pixels, this is 9 by 99999'],
  ],
  IMAGE_QUALITY: [[['x', 'best'], 'must be auto, low, medium, high, xhigh, max, standard or hd']],
  IMAGE_RENDITIONS: [
    [['x', '1200x675', '1200x675.gif'], 'must be WIDTHxHEIGHT.FORMAT with png, jpeg, webp, avif, such as 1200x675.png'],
    [[Array(9).fill('64x64.png').join()], 'must be at most 8 renditions'],
  ],
  PRESETS: [
    json,
    [['FOLDER'], 'this path leads to a folder, and must lead to a file'],
    [['JSON'], 'the file is not valid JSON (near line 3)'],
    [['LIST'], 'the file: must be an object with a preset for each name'],
  ],
  CROP: [oneOf('centre', 'attention', 'entropy', 'contain')],
  CROP_GROUND: [[['x', ' ', '#fff', 'white'], 'must be #rrggbb or transparent']],
  DEFERRED_RENDITIONS: [
    [['x', 'gif'], 'must be png, jpeg, webp, avif or none'],
    [['none,png'], 'must be none alone, or formats'],
  ],
  CHECK_UNIFORMITY: [check],
  CHECK_ENTROPY: [check],
  CHECK_SHARPNESS: [check],
  CHECK_BORDERS: [check],
  CHECK_SIZE: [check],
  CHECK_RATIO: [check],
  REGENERATE_ON_REJECT: [flag],
  GENERATION_TIMEOUT_SECONDS: [seconds(1)],
  RETRY_MAX_ATTEMPTS: [wholeNumber(1, 20)],
  RETRY_DEADLINE_SECONDS: [seconds(0)],
  RETRY_BUDGET_PER_MINUTE: [wholeNumber(1, 1_000_000)],
  AMBIGUOUS_RETRIES: [wholeNumber(0, 10)],
  CONCURRENCY: [wholeNumber(1, 256)],
  IMAGING_CONCURRENCY: [wholeNumber(1, 256)],
  INPUT_MEMORY_BYTES: [bytes(1024 * 1024, 2 ** 40)],
  QUEUE_LIMIT: [wholeNumber(1, 1_000_000)],
  OPENAI_WAIT_SECONDS: [seconds(1, 3600)],
  MCP_WAIT_SECONDS: [seconds(0, 3600)],
  SYNC_WAIT_SECONDS: [seconds(0, 3600)],
  BUDGET_USD_PER_DAY: [
    [
      ['x', ' ', '-1', '1e9', '5,', '1000000000', '9'.repeat(400), '0.0000001'],
      'must be US dollars below 1000000000, for all or for a key by name, commas between, such as 50 or 50,blog:10',
    ],
    [['5,6', 'a:1,a:2'], 'names the same key, or the sum for all, more than once'],
  ],
  C2PA_CERT: [[['MISSING'], 'there is no file at this path']],
  C2PA_KEY: [[['MISSING'], 'there is no file at this path']],
  EMBED_PROMPT: [flag],
  RETENTION: [age],
  RETENTION_BY_LABEL: [
    [['x', 'a:', ':1d', 'a:b:1d'], 'must be LABEL:AGE, such as draft:1d'],
    [['draft:x'], 'must be a number and s, m, h or d, such as 30d'],
    [['draft:1d,press:x'], 'entry 2: must be a number and s, m, h or d, such as 30d'],
  ],
  MEDIA_MAX_BYTES: [bytes(1, 2 ** 50)],
  CLEANUP_INTERVAL_SECONDS: [seconds(1)],
  SHUTDOWN_GRACE_SECONDS: [seconds(0)],
  LOG_LEVEL: [oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent')],
  LOG_PROMPTS: [flag],
  OTEL_EXPORTER_OTLP_ENDPOINT: [
    [['x', 'ftp://a', 'a:4318'], 'must be an http or https URL, such as http://127.0.0.1:4318'],
  ],
  NODE_ENV: [],
};

const WRONG_OF_PROVIDER: typeof WRONG = {
  BASE_URL: [address],
  API_KEY: [providerKey],
  MODEL: [],
  API_VERSION: [],
  OMIT: [
    [['x'], `must be ${OMITTABLE}`],
    [['n,x'], `entry 2: must be ${OMITTABLE}`],
  ],
  EDITS: [[['yes', '1'], 'must be true or false']],
  STREAMING: [[['no', '0'], 'must be true or false']],
  STRIP: [],
  CONCURRENCY: [wholeNumber(1, 256)],
  PER_MINUTE: [wholeNumber(1, 100_000)],
};

const AZURE = {
  PROVIDERS: 'azure',
  PROVIDER_AZURE_BASE_URL: 'https://res.openai.azure.com',
  PROVIDER_AZURE_API_KEY: 'f00d',
};

/** What must be set for a variable's own words to be the only issue. */
const BESIDE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  C2PA_CERT: { C2PA_KEY: 'MISSING' },
  C2PA_KEY: { C2PA_CERT: 'MISSING' },
};

const files = useExampleFiles();

const cases = (rows: typeof WRONG) =>
  Object.entries(rows).flatMap(([name, ownRows]) =>
    ownRows.flatMap(([values, text]) => values.map((value) => [name, value, text])),
  );

describe('a wrong value', () => {
  it('of every setting is tried here', () => {
    expect(Object.keys(WRONG).sort()).toEqual(Object.keys(settings).sort());
    expect(Object.keys(WRONG_OF_PROVIDER).sort()).toEqual(Object.keys(providerSettings).sort());
  });

  it.each(cases(WRONG))('%s=%s is one line in words', (name = '', value = '', text) => {
    const issues = issuesOf(files.withPaths({ [name]: value, ...BESIDE[name] }));
    const [line = '', ...more] = issues.filter((issue) => issue.startsWith(`${name}: `));
    expect(line.slice(name.length + 2)).toEqual(text);
    expect(more).toEqual([]);
    expect(line).not.toMatch(/NaN|expected|received|undefined|hunter2|\/i?$/);
  });

  it.each(cases(WRONG_OF_PROVIDER))('of a provider, %s=%s, is one line in words', (suffix = '', value = '', text) => {
    const name = `PROVIDER_AZURE_${suffix}`;
    expect(issuesOf({ ...AZURE, [name]: value })).toEqual([`${name}: ${text}`]);
  });
});
