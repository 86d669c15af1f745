import { randomUUID } from 'node:crypto';
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { LRUCache } from 'lru-cache';
import { ImageError } from '../../../core/domain/errors.ts';
import type { FileSource, MediaStore, SignedUrlOptions, StoredFile } from '../../../core/ports/media-store.ts';
import { assertNames } from '../stored-names.ts';
import { createUsedBytes } from '../used-bytes.ts';
import { type CallOptions, createClient, DEFAULT_TIMEOUTS, type S3Options } from './client.ts';
import { asImageError, isNotImplemented } from './faults.ts';
import { inParallel } from './in-parallel.ts';
import { createKeys } from './keys.ts';
import { abortUploads, listObjects } from './listing.ts';
import { headOf, type ObjectHead, openObject, readObject } from './reading.ts';
import { createRemoval } from './removing.ts';
import { copyObject, putObject } from './writing.ts';

/** A media store in a bucket, which `close` ends the connections of. */
export interface S3Store extends MediaStore {
  signedUrl(name: string, options: SignedUrlOptions): Promise<string>;
  close(): void;
}

/** Connections for files that are being sent to clients, however slow these are, and connections for all else. */
const STREAMS = 256;
const CALLS = 64;

/**
 * Files of which this process remembers how large they are, to count what it replaces and removes: those that it wrote, listed or looked
 * at last. What it removes besides is looked at first; what it replaces besides is counted at the next walk.
 */
const REMEMBERED = 50_000;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** Longest that a check takes, in milliseconds. It takes three short calls. */
const CHECK_MS = 5_000;
const PROBE = new Uint8Array(1024);

/**
 * Media store in a bucket of S3, or of a server that speaks its protocol. A file is one object; every write is atomic and durable, and a
 * late one replaces: where several processes publish, names carry the content's checksum. `checkBucket` says whether the bucket can be
 * used.
 */
export function createS3Store(options: S3Options): S3Store {
  const { bucket, region, prefix = '' } = options;
  const keys = createKeys(prefix);
  const client = createClient(options, CALLS);
  const streams = createClient(options, STREAMS);
  const target = { client, bucket };
  const removeObjects = createRemoval(client, bucket);
  const sizes = new LRUCache<string, number>({ max: REMEMBERED });

  /** Raises the errors of the work as `ImageError`. `action` is what cannot be done then. */
  const mapped = async <T>(action: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw asImageError(error, action, { bucket, region });
    }
  };
  const urlOf = (key: string) => `s3://${bucket}/${key}`;
  const reading = (key: string) => ({
    client: streams,
    bucket,
    chunkMs: options.timeouts?.chunkMs ?? DEFAULT_TIMEOUTS.chunkMs,
    toImageError: (error: unknown) => asImageError(error, `read ${urlOf(key)}`, { bucket, region }),
  });

  const count = (name: string, bytes: number): void => {
    usage.add(bytes - (sizes.get(name) ?? 0));
    sizes.set(name, bytes);
  };

  const put = async (name: string, bytes: Uint8Array): Promise<void> => {
    await putObject(target, keys.of(name), name, bytes);
    count(name, bytes.byteLength);
  };

  const copy = async (from: string, head: ObjectHead, name: string): Promise<void> => {
    try {
      await copyObject(target, { key: keys.of(from), head }, keys.of(name), name);
      count(name, head.bytes);
    } catch (error) {
      if (!isNotImplemented(error)) throw error;
      const bytes = await readObject(reading(keys.of(from)), keys.of(from));
      if (bytes === null) throw missing(from);
      await put(name, bytes);
    }
  };

  const missing = (name: string) =>
    new ImageError('storage_unavailable', `cannot publish: ${urlOf(keys.of(name))} is missing`, {
      retryAfterSeconds: 5,
    });

  /** Sizes and versions of the files that are copied, so that a missing one publishes nothing. */
  const headsOf = async (sources: readonly FileSource[]): Promise<ReadonlyMap<string, ObjectHead>> => {
    const heads = new Map<string, ObjectHead>();
    const names = new Set(sources.flatMap((source) => ('from' in source ? [source.from] : [])));
    await inParallel([...names], async (name) => {
      const head = await headOf(client, bucket, keys.of(name));
      if (head === null) throw missing(name);
      heads.set(name, head);
    });
    return heads;
  };

  const publish = async (sources: readonly FileSource[]): Promise<void> => {
    const heads = await headsOf(sources);
    const store = (source: FileSource): Promise<void> =>
      'bytes' in source
        ? put(source.name, source.bytes)
        : copy(source.from, heads.get(source.from) as ObjectHead, source.name);
    const [master, ...renditions] = sources;
    await inParallel(renditions, store);
    if (master !== undefined) await store(master);
  };

  async function* list(): AsyncGenerator<StoredFile> {
    let total = 0;
    try {
      for await (const { key, bytes, modifiedAt } of listObjects(client, bucket, keys.root)) {
        const name = keys.nameOf(key);
        if (name === null) continue;
        total += bytes;
        sizes.set(name, bytes);
        yield { name, bytes, modifiedAt };
      }
    } catch (error) {
      throw asImageError(error, `list ${urlOf(keys.root)}`, { bucket, region });
    }
    usage.set(total);
  }

  const usage = createUsedBytes(async () => {
    for await (const _ of list());
  });

  const bytesOf = async (names: readonly string[]): Promise<number> => {
    let total = 0;
    await inParallel([...new Set(names)], async (name) => {
      const bytes = (await headOf(client, bucket, keys.of(name)))?.bytes ?? 0;
      sizes.set(name, bytes);
      total += bytes;
    });
    return total;
  };

  const remove = async (names: readonly string[]): Promise<void> => {
    const byKey = new Map(names.map((name) => [keys.of(name), name]));
    if (usage.isKnown) await bytesOf([...byKey.values()].filter((name) => !sizes.has(name)));
    const faults = await removeObjects([...byKey.keys()]);
    for (const [key, name] of byKey) if (!faults.has(key)) count(name, 0);
    for (const fault of faults.values()) throw fault;
  };

  const writeAndLook = async (key: string, call: CallOptions): Promise<void> => {
    await putObject(target, key, key, PROBE, call);
    const found = await headOf(client, bucket, key, call);
    if (found?.bytes === PROBE.length) return;
    throw new ImageError('storage_unavailable', `${urlOf(key)} was stored and is not found`, { retryAfterSeconds: 5 });
  };

  const probe = async (): Promise<void> => {
    const key = `${keys.probes}${randomUUID()}`;
    const call = { abortSignal: AbortSignal.timeout(CHECK_MS) };
    const [outcome] = await Promise.allSettled([writeAndLook(key, call)]);
    const faults = await removeObjects([key], call);
    if (outcome.status === 'rejected') throw outcome.reason;
    for (const fault of faults.values()) throw fault;
  };

  let probing: Promise<void> | null = null;
  /** Each new request is checked: those that come while a probe is under way share it, else a burst of them would be its own outage. */
  const check = (): Promise<void> => {
    probing ??= probe().finally(() => {
      probing = null;
    });
    return probing;
  };

  return {
    async put(name, bytes) {
      assertNames([name]);
      await mapped(`write ${urlOf(keys.of(name))}`, () => put(name, bytes));
    },

    async publish(sources) {
      assertNames(sources.flatMap((source) => ('from' in source ? [source.name, source.from] : [source.name])));
      await mapped(`publish ${sources[0]?.name}`, () => publish(sources));
    },

    async read(name) {
      assertNames([name]);
      const key = keys.of(name);
      return mapped(`read ${urlOf(key)}`, () => readObject(reading(key), key));
    },

    async open(name, range) {
      assertNames([name]);
      const key = keys.of(name);
      return mapped(`read ${urlOf(key)}`, () => openObject(reading(key), key, range));
    },

    pathOf: (name) => urlOf(keys.of(name)),

    async remove(names) {
      assertNames(names);
      await mapped('remove files', () => remove(names));
    },

    list,

    async bytesOf(names) {
      assertNames(names);
      return mapped('look at files', () => bytesOf(names));
    },

    usedBytes: () => usage.bytes(),

    async mark() {
      const content = await mapped(`read ${urlOf(keys.mark)}`, () => readObject(reading(keys.mark), keys.mark));
      return (content && new TextDecoder().decode(content).trim()) || null;
    },

    async setMark(id) {
      const content = new TextEncoder().encode(`${id}\n`);
      await mapped(`write ${urlOf(keys.mark)}`, () => putObject(target, keys.mark, keys.mark, content));
    },

    async removeTemporary() {
      await mapped('remove what was left behind', async () => {
        await abortUploads(client, bucket, keys.root, Date.now() - DAY_MS);
        const left: string[] = [];
        for await (const { key, modifiedAt } of listObjects(client, bucket, keys.probes)) {
          if (modifiedAt < Date.now() - HOUR_MS) left.push(key);
        }
        for (const fault of (await removeObjects(left)).values()) throw fault;
      });
    },

    freeBytes: async () => null,

    check: () => mapped(`write ${urlOf(keys.probes)}`, check),

    async signedUrl(name, { seconds, method, contentType, cacheControl }) {
      assertNames([name]);
      const order = {
        Bucket: bucket,
        Key: keys.of(name),
        ResponseContentType: contentType,
        ResponseCacheControl: cacheControl,
      };
      const command = method === 'HEAD' ? new HeadObjectCommand(order) : new GetObjectCommand(order);
      return mapped('sign a URL', () => getSignedUrl(client, command, { expiresIn: seconds }));
    },

    close() {
      client.destroy();
      streams.destroy();
    },
  };
}
