/** Settings of storage: where records and pictures are kept, by one process or by many replicas, and which of these this one is. */

import { z } from 'zod';
import { bytes, choice, count, flag, type SettingsOf, taking } from './setting-types.ts';

const DATABASE_WORDS = 'sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE';

/** Whether the text is the URL of a database of PostgreSQL. */
const isPostgres = (text: string) => /^postgres(?:ql)?:\/\//.test(text) && URL.canParse(text);

/** The address of an S3 server, without the slash at its end. */
const endpoint = taking(
  'an http or https URL',
  z.string().transform((text, context) => {
    const url = URL.parse(text);
    const isAddress = url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
    if (isAddress && !/[?#]/.test(text)) return url.href.replace(/\/$/, '');
    const message = 'must be an http or https URL without query, fragment and password, such as http://127.0.0.1:9000';
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  }),
);

/** The longest prefix, which leaves S3's limit of 1,024 bytes a key room for the names of files. */
const MAX_PREFIX = 512;

export const storageSettings = {
  MEDIA_DIR: z.string().default('media').describe('Folder of the pictures.'),
  ADOPT_MEDIA: flag
    .default(false)
    .describe(
      "Take `MEDIA_DIR` over although it bears another database's mark, or holds pictures that this database does not know. The " +
        'cleanup removes those in time: set it for one start, when that is meant.',
    ),
  MEDIA_CACHE_BYTES: bytes(0, 40)
    .default(64 * 1024 * 1024)
    .describe('Memory for caching pictures that are requested often, in bytes; `0` serves every one from disk.'),
  DATABASE_URL: z
    .string()
    .refine(
      (text) => /^sqlite:.+/.test(text) || isPostgres(text),
      `must be ${DATABASE_WORDS}, such as sqlite:.data/easel.db`,
    )
    .default('sqlite:.data/easel.db')
    .describe(
      'Where records and jobs are kept: a file of SQLite, for one process, or a database of PostgreSQL 14 or newer, for any number of replicas.',
    ),
} as const;

/** What is set where one machine is outgrown. */
export const replicaSettings = {
  ROLE: choice(['all', 'api', 'worker'])
    .default('all')
    .describe(
      'What this replica does: `api` answers, and makes no pictures, webhooks and cleanups; `worker` makes them, and answers only ' +
        '`/health` and `/metrics`; `all` does both. SQLite takes only `all`.',
    ),
  DATABASE_POOL: count(1, 1000)
    .default(10)
    .describe(
      'Most connections of this replica to PostgreSQL at the same time, beside one that listens and one for the heartbeats of jobs.',
    ),
  S3_BUCKET: z
    .string()
    .regex(
      /^(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
      'must be 3 to 63 small letters, digits, hyphens and single dots',
    )
    .optional()
    .describe('Bucket of the pictures, in the place of `MEDIA_DIR`. Credentials are the variables of AWS.'),
  S3_ENDPOINT: endpoint.optional().describe("Any server that speaks S3. Default: AWS's own."),
  S3_REGION: z
    .string()
    .regex(/^[a-z0-9-]{1,64}$/, 'must be small letters, digits and hyphens, such as eu-central-1')
    .optional()
    .describe('Region of the bucket. Default: `AWS_REGION`, or `us-east-1` at a server of your own.'),
  S3_PREFIX: z
    .string()
    .regex(
      /^[A-Za-z0-9_.-]+(?:\/[A-Za-z0-9_.-]+)*\/?$/,
      'must be letters, digits, dots, hyphens and underscores, with single slashes between, such as easel/production',
    )
    .refine(
      (text) => !/(?:^|\/)\.\.?(?:\/|$)/.test(text),
      'must have no part that is . or .., which would lead elsewhere',
    )
    .max(MAX_PREFIX, `must have at most ${MAX_PREFIX} characters`)
    .transform((text) => (text.endsWith('/') ? text : `${text}/`))
    .optional()
    .describe('What the keys of all pictures begin with in the bucket, such as `easel/production`. Default: nothing.'),
  S3_FORCE_PATH_STYLE: flag
    .optional()
    .describe(
      'Whether the bucket is named in the path of a URL, as most servers but AWS want it, or in the host. Default: `true` with `S3_ENDPOINT`.',
    ),
  MEDIA_DELIVERY: choice(['stream', 'redirect'])
    .default('stream')
    .describe('How a picture in a bucket gets to the browser: through Easel, or by a redirect to a signed URL of it.'),
  MEDIA_SHARED: flag
    .default(false)
    .describe(
      '`MEDIA_DIR` is one folder that all replicas share. With PostgreSQL and without a bucket it has to be said.',
    ),
} as const;

type MediaDelivery = SettingsOf<typeof replicaSettings>['MEDIA_DELIVERY'];

/** What this replica does. */
export type Role = SettingsOf<typeof replicaSettings>['ROLE'];

/** A file of SQLite. */
export interface SqliteSettings {
  readonly kind: 'sqlite';
  readonly path: string;
}

/** A database of PostgreSQL. */
export interface PostgresSettings {
  readonly kind: 'postgres';
  readonly url: string;
  /** Most connections at the same time. */
  readonly poolSize: number;
}

/** A folder of pictures. */
export interface DiskSettings {
  readonly kind: 'disk';
  readonly root: string;
  /** True to take it over from another database. */
  readonly adopt: boolean;
  /** True where it is one folder for all replicas. */
  readonly shared: boolean;
}

/** A bucket of pictures. */
export interface BucketSettings {
  readonly kind: 's3';
  readonly bucket: string;
  /** Null for AWS. */
  readonly endpoint: string | null;
  readonly region: string;
  /** What all keys begin with: empty, or with a slash at its end. */
  readonly prefix: string;
  readonly forcePathStyle: boolean;
  /** True to take it over from another database. */
  readonly adopt: boolean;
}

export interface StorageConfig {
  readonly role: Role;
  readonly records: SqliteSettings | PostgresSettings;
  readonly media: DiskSettings | BucketSettings;
}

/** What the HTTP server needs to know of the storage and the role. */
export interface DeliveryConfig {
  /** False for a worker, which answers its operators alone. */
  readonly answersCallers: boolean;
  /** How pictures get to browsers. */
  readonly mediaDelivery: MediaDelivery;
}

type StorageSettings = SettingsOf<typeof storageSettings & typeof replicaSettings>;
/** Variables that are set, our own and others', such as those of AWS. */
type Given = Readonly<Record<string, string | undefined>>;

/** The region that servers take which know none. */
const ANY_REGION = 'us-east-1';

/** Groups the settings of storage. */
export function storageConfig(settings: StorageSettings, given: Given): StorageConfig {
  const { DATABASE_URL: url, S3_BUCKET: bucket, S3_ENDPOINT: endpoint, ADOPT_MEDIA: adopt } = settings;
  const records = isPostgres(url)
    ? ({ kind: 'postgres', url, poolSize: settings.DATABASE_POOL } as const)
    : ({ kind: 'sqlite', path: url.slice('sqlite:'.length) } as const);
  if (bucket === undefined) {
    const media = { kind: 'disk', root: settings.MEDIA_DIR, adopt, shared: settings.MEDIA_SHARED } as const;
    return { role: settings.ROLE, records, media };
  }
  return {
    role: settings.ROLE,
    records,
    media: {
      kind: 's3',
      bucket,
      endpoint: endpoint ?? null,
      region: regionOf(settings, given) ?? ANY_REGION,
      prefix: settings.S3_PREFIX ?? '',
      forcePathStyle: settings.S3_FORCE_PATH_STYLE ?? endpoint !== undefined,
      adopt,
    },
  };
}

function regionOf({ S3_REGION }: StorageSettings, { AWS_REGION }: Given): string | undefined {
  return S3_REGION ?? AWS_REGION;
}

/**
 * Issues of settings of storage that are right by themselves and do not go together. Of a variable in `refused`, which is wrong by itself,
 * nothing is known.
 */
export function storageContradictions(
  settings: StorageSettings,
  given: Given,
  refused: ReadonlySet<string>,
): readonly string[] {
  const { ROLE, DATABASE_URL, S3_BUCKET, S3_ENDPOINT, MEDIA_SHARED, MEDIA_DELIVERY } = settings;
  const issues: string[] = [];
  const isSet = (name: keyof StorageSettings) => name in given;
  const hasBucket = S3_BUCKET !== undefined || refused.has('S3_BUCKET');
  if (!refused.has('DATABASE_URL')) {
    const hasPostgres = isPostgres(DATABASE_URL);
    if (!hasPostgres && ROLE !== 'all') {
      issues.push('ROLE: SQLite takes one process, which does all; set ROLE=all, or DATABASE_URL to PostgreSQL');
    }
    if (!hasPostgres && MEDIA_SHARED) {
      issues.push('MEDIA_SHARED: SQLite takes one process, with a folder of its own; set DATABASE_URL to PostgreSQL');
    }
    if (hasPostgres && !hasBucket && !MEDIA_SHARED && !refused.has('MEDIA_SHARED')) {
      issues.push(
        'MEDIA_SHARED: with PostgreSQL the pictures have to be where every replica finds them; set S3_BUCKET, or MEDIA_SHARED=true ' +
          'if MEDIA_DIR is one folder for all of them',
      );
    }
  }
  if (hasBucket && isSet('MEDIA_DIR')) {
    issues.push('MEDIA_DIR: the pictures are in the bucket of S3_BUCKET; unset one of the two');
  }
  if (!hasBucket) {
    for (const name of ['S3_ENDPOINT', 'S3_REGION', 'S3_PREFIX', 'S3_FORCE_PATH_STYLE'] as const) {
      if (isSet(name) && !refused.has(name)) issues.push(`${name}: is for a bucket; set S3_BUCKET, or unset ${name}`);
    }
    if (MEDIA_DELIVERY === 'redirect') {
      issues.push('MEDIA_DELIVERY: there is no bucket to redirect to; set S3_BUCKET, or MEDIA_DELIVERY=stream');
    }
  }
  const hasEndpoint = S3_ENDPOINT !== undefined || refused.has('S3_ENDPOINT');
  if (S3_BUCKET !== undefined && !hasEndpoint && !refused.has('S3_REGION') && regionOf(settings, given) === undefined) {
    issues.push(
      "S3_REGION: is missing, and AWS_REGION too; set the region of the bucket, or S3_ENDPOINT to a server's address",
    );
  }
  return issues;
}

/** A line for each setting of storage that changes nothing beside the others. */
export function unusedStorageSettings({ records, media }: StorageConfig, given: Given): readonly string[] {
  return [
    ...(records.kind === 'sqlite' && 'DATABASE_POOL' in given
      ? ['DATABASE_POOL is not used: it is for PostgreSQL, and DATABASE_URL names a file of SQLite']
      : []),
    ...(media.kind === 's3' && given.MEDIA_SHARED === 'true'
      ? ['MEDIA_SHARED is not used: the pictures are in the bucket of S3_BUCKET']
      : []),
  ];
}
