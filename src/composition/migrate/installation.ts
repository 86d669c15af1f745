/** Opens what `easel migrate` moves from and to. */

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { prepareDatabase } from '../../adapters/postgres/server-check.ts';
import { openPostgresImporter } from '../../adapters/records/postgres/importer.ts';
import { openSqliteSource } from '../../adapters/records/sqlite/source.ts';
import { createDiskStore } from '../../adapters/storage/disk.ts';
import { checkBucket, UnusableBucketError } from '../../adapters/storage/s3/check-bucket.ts';
import { createS3Store } from '../../adapters/storage/s3/store.ts';
import { readCommandConfig } from '../../config/config.ts';
import { SECRET_FILES } from '../../config/secrets.ts';
import type { BucketSettings } from '../../config/storage-settings.ts';
import { StorageSetupError } from '../../core/domain/errors.ts';
import { createDerive } from '../../core/images/derive.ts';
import type { MediaStore } from '../../core/ports/media-store.ts';
import { createCommandLogger } from '../logging.ts';
import { lockIfPossible } from '../start/open-storage.ts';
import { type Migration, type MigrationReport, migrate } from './migrate.ts';
import { MigrationError } from './migration-error.ts';
import { type MediaPlace, parseMediaPlace, parsePostgres, parseSqlite } from './places.ts';

/** The options of the command, as they are given. */
export interface MigrationOptions {
  readonly from: string;
  readonly mediaFrom: string;
  readonly to: string;
  readonly mediaTo: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** How long a server that is only just starting is tried, in milliseconds. */
const WAIT_MS = 30_000;

/**
 * Moves an installation, as `migrate` says. `env` has the settings of the bucket beside its name: `S3_ENDPOINT`, `S3_REGION` and the
 * credential variables of AWS.
 *
 * Raises `MigrationError` for options that are wrong, `ConfigError` and `StorageSetupError` for settings that lead to what cannot be used,
 * `DatabaseInUseError` and `MediaInUseError` while the source runs, and what `migrate` raises.
 */
export async function migrateInstallation(
  options: MigrationOptions,
  env: Environment,
  onProgress: Migration['onProgress'] = () => undefined,
): Promise<MigrationReport> {
  const path = parseSqlite(options.from);
  const mediaFrom = parseMediaPlace('--media-from', options.mediaFrom);
  const url = parsePostgres(options.to);
  const mediaTo = parseMediaPlace('--media-to', options.mediaTo);
  const config = configOf(env, url, mediaTo);
  const log = await createCommandLogger(config.secrets.mask);

  await using opened = new AsyncDisposableStack();
  const source = openSqliteSource(path);
  opened.defer(() => source.close());
  if (mediaFrom.kind === 'folder') {
    if (!existsSync(mediaFrom.path)) throw new MigrationError(`--media-from: there is no folder ${mediaFrom.path}`);
    opened.defer(lockIfPossible(mediaFrom.path, log));
  }
  const sourceMedia = await openPlace(mediaFrom, { env, url, log, opened });
  const targetMedia = await openPlace(mediaTo, { env, url, log, opened });
  const openImporter = async () => {
    const database = await prepareDatabase({
      url,
      poolSize: 2,
      applicationName: 'easel migrate',
      log,
      waitMs: WAIT_MS,
    });
    opened.defer(() => database.close());
    return openPostgresImporter(database);
  };
  // The URLs of webhooks play no part: nothing that is moved causes a delivery.
  const derive = createDerive({ webhookUrls: new Map(), randomId: () => '' });
  const secrets = await secretsBeside(path);
  return await migrate({ secrets, source, sourceMedia, openImporter, targetMedia, derive, onProgress });
}

/** The secrets in the files beside the database, as far as there are any. */
async function secretsBeside(path: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const name of SECRET_FILES) {
    const text = await readFile(join(dirname(path), name), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    if (text.trim() !== '') found.set(name, text.trim());
  }
  return found;
}

interface PlaceParts {
  readonly env: Environment;
  readonly url: string;
  readonly log: Logger;
  readonly opened: AsyncDisposableStack;
}

async function openPlace(place: MediaPlace, { env, url, log, opened }: PlaceParts): Promise<MediaStore> {
  if (place.kind === 'folder') return await createDiskStore({ root: place.path });
  const { bucket, region, endpoint, prefix, forcePathStyle } = configOf(env, url, place).media as BucketSettings;
  const options = { bucket, region, endpoint: endpoint ?? undefined, prefix, forcePathStyle };
  const clock = { monotonic: () => performance.now(), sleep: (ms: number) => sleep(ms, undefined) };
  await checkBucket(options, { clock, log }).catch((error: unknown) => {
    if (error instanceof UnusableBucketError) throw new StorageSetupError(error.message, { cause: error });
    throw error;
  });
  const store = createS3Store(options);
  opened.defer(() => store.close());
  return store;
}

/** The settings that a replica would have with these places. */
function configOf(env: Environment, url: string, place: MediaPlace): ReturnType<typeof readCommandConfig> {
  const { MEDIA_DIR: _folder, S3_BUCKET: _bucket, S3_PREFIX: _prefix, ...others } = env;
  if (place.kind === 'folder') {
    const {
      S3_ENDPOINT: _endpoint,
      S3_REGION: _region,
      S3_FORCE_PATH_STYLE: _style,
      MEDIA_DELIVERY: _way,
      ...rest
    } = others;
    return readCommandConfig({ ...rest, DATABASE_URL: url, MEDIA_DIR: place.path, MEDIA_SHARED: 'true' });
  }
  const prefix = place.prefix === '' ? {} : { S3_PREFIX: place.prefix };
  return readCommandConfig({ ...others, DATABASE_URL: url, S3_BUCKET: place.bucket, ...prefix });
}
