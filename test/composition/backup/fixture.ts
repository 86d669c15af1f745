import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openSqliteRecords } from '../../../src/adapters/records/sqlite/records.ts';
import { createDiskStore } from '../../../src/adapters/storage/disk.ts';
import { inputName } from '../../../src/core/domain/file-names.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import type { Input } from '../../../src/core/domain/input.ts';
import { createDerive } from '../../../src/core/images/derive.ts';
import { anAttempt, anImage, aRequest } from '../../contracts/record-store/example-images.ts';

const sha256 = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** A database with pictures, without a service. */
export interface Place {
  readonly config: {
    readonly records: { readonly path: string };
    readonly media: { readonly root: string; readonly adopt: boolean };
  };
  /** Makes images, each with a master and an original of its own bytes. */
  make(...mediaIds: readonly string[]): Promise<void>;
  /** Makes images that start from one input, which they share. Returns its name. */
  makeEdits(...mediaIds: readonly string[]): Promise<string>;
  remove(mediaId: string): Promise<void>;
  media(name: string): string;
}

export function placeIn(folder: string): Place {
  const path = join(folder, 'data', 'easel.db');
  const root = join(folder, 'media');
  const derive = createDerive({ webhookUrls: new Map(), randomId: () => 'id' });

  async function withRecords(work: (records: ReturnType<typeof openSqliteRecords>) => Promise<void>): Promise<void> {
    const records = openSqliteRecords({ path, derive });
    try {
      await (await createDiskStore({ root })).setMark(await records.identity());
      await work(records);
    } finally {
      await records.close();
    }
  }

  return {
    config: { records: { path }, media: { root, adopt: false } },
    media: (name) => join(root, name),
    make: (...mediaIds) =>
      withRecords(async (records) => {
        for (const mediaId of mediaIds) {
          const image = withFiles(mediaId);
          for (const { name } of [image.master, image.original].filter((file) => file !== null)) {
            await writeFile(join(root, name), contentOf(name));
          }
          await records.accept(image, Number.POSITIVE_INFINITY);
        }
        await writeFile(join(folder, 'data', 'webhook-secret'), 'whsec_c2VjcmV0', { mode: 0o600 });
      }),
    async makeEdits(...mediaIds) {
      const input: Input = {
        sha256: sha256('logo'),
        bytes: 4,
        width: 8,
        height: 8,
        format: 'png',
        source: { sha256: '' },
      };
      await withRecords(async (records) => {
        await writeFile(join(root, inputName(input.sha256)), 'logo');
        for (const mediaId of mediaIds) {
          const image = anImage({ mediaId, request: aRequest({ inputs: [input], mask: input }) });
          await records.accept(image, Number.POSITIVE_INFINITY);
        }
      });
      return inputName(input.sha256);
    },
    remove: (mediaId) =>
      withRecords(async (records) => {
        const { master, original } = withFiles(mediaId);
        await records.remove(mediaId);
        for (const file of [master, original]) await rm(join(root, file?.name ?? ''), { force: true });
      }),
  };
}

export const contentOf = (name: string) => `the bytes of ${name}`;

function withFiles(mediaId: string): Image {
  const file = (name: string) => ({ name, bytes: contentOf(name).length, sha256: sha256(contentOf(name)) });
  return anImage({
    mediaId,
    status: 'succeeded',
    // Of the second one no record knows a picture.
    attempts: [anAttempt('0'), anAttempt('1')],
    original: { ...file(`originals/${mediaId}~0`), sound: true },
    master: { ...file(`${mediaId}.png`), width: 64, height: 64, format: 'png' },
  });
}

interface StoredManifest {
  readonly schemaVersion: number;
  readonly database: { readonly sha256: string };
  readonly secrets: readonly { readonly name: string; readonly sha256: string }[];
  readonly files: readonly { readonly name: string; readonly sha256: string }[];
  readonly missing: readonly string[];
}

export function manifestIn(backup: string): StoredManifest {
  return JSON.parse(readFileSync(join(backup, 'easel-backup.json'), 'utf8')) as StoredManifest;
}

/** Where a backup has the content with this hash. */
export const contentPath = (backup: string, hash: string) => join(backup, 'content', hash.slice(0, 2), hash);

/** The names of everything that a backup holds; raises where the bytes of one are not what its manifest says. */
export function provedNames(backup: string): readonly string[] {
  const { database, secrets, files } = manifestIn(backup);
  for (const file of [database, ...secrets, ...files]) {
    const found = sha256(readFileSync(contentPath(backup, file.sha256)));
    if (found !== file.sha256) throw new Error(`damaged in the backup: ${JSON.stringify(file)}`);
  }
  return files.map(({ name }) => name).toSorted();
}
