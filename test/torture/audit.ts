/** Checks a service from outside: by its database file, its folder on disk, and HTTP. */

import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { inputNames, originalName, publishedFiles } from '../../src/core/domain/file-names.ts';
import { type Attempt, countedUnknowns, type Image, isFinished } from '../../src/core/domain/image.ts';

/** Every image in the database, and the faults that SQLite finds in the file. Call while the service is stopped or idle. */
export function readDatabase(folder: string): {
  readonly images: readonly Image[];
  readonly findings: readonly string[];
} {
  // A copy: opening the file itself would run SQLite's crash recovery, which the next start of the service has to do.
  const copy = mkdtempSync(join(tmpdir(), 'easel-audit-'));
  for (const end of ['', '-wal']) {
    const file = join(folder, `easel.db${end}`);
    if (existsSync(file)) cpSync(file, join(copy, `easel.db${end}`));
  }
  const database = new DatabaseSync(join(copy, 'easel.db'));
  try {
    const verdicts = database
      .prepare('PRAGMA integrity_check')
      .all()
      .map((row) => String(row.integrity_check));
    const rows = database.prepare('SELECT document FROM images').all();
    const miscounted = database
      .prepare(`
        SELECT status, totals.images AS kept, (SELECT count(*) FROM images WHERE images.status = totals.status) AS counted
        FROM totals WHERE kept <> counted`)
      .all();
    const mislabelled = database
      .prepare(`
        WITH counted AS (SELECT owner, label, count(*) AS images FROM labels GROUP BY owner, label),
          all_counted AS (SELECT * FROM counted UNION ALL SELECT '', label, sum(images) FROM counted GROUP BY label)
        SELECT label FROM (SELECT * FROM all_counted EXCEPT SELECT owner, label, images FROM label_totals)
        UNION SELECT label FROM (SELECT owner, label, images FROM label_totals EXCEPT SELECT * FROM all_counted)`)
      .all();
    return {
      images: rows.map((row) => JSON.parse(String(row.document)) as Image),
      findings: [
        ...verdicts.filter((verdict) => verdict !== 'ok').map((verdict) => `integrity_check: ${verdict}`),
        ...miscounted.map((row) => `totals of ${row.status}: ${row.kept} kept, ${row.counted} counted`),
        ...mislabelled.map((row) => `the label ${row.label} is miscounted`),
      ],
    };
  } finally {
    database.close();
    rmSync(copy, { recursive: true });
  }
}

/**
 * The attempts whose call was under way, or about to be sent, when the process died: still open, without a picture on disk and
 * without the URL of one on record.
 */
export function attemptsInFlight(
  folder: string,
  images: readonly Image[],
): readonly { image: Image; attempt: Attempt }[] {
  return images
    .filter(({ status }) => !isFinished(status))
    .flatMap((image) => {
      const attempt = image.attempts.at(-1);
      const hangs =
        attempt?.durationMs === null &&
        attempt.outcome === 'unknown' &&
        attempt.announced === null &&
        !existsSync(join(folder, 'media', originalName(image.mediaId, attempt.id)));
      return hangs ? [{ image, attempt }] : [];
    });
}

/** Every file below the media folder but its mark and its lock, temporary ones included, sorted. */
export function filesOnDisk(folder: string): readonly string[] {
  const media = join(folder, 'media');
  return readdirSync(media, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.easel'))
    .map((entry) => join(entry.parentPath, entry.name).slice(media.length + 1))
    .sort();
}

/** Every file that the records list, each once, sorted. */
export function filesOnRecord(images: readonly Image[]): readonly string[] {
  const names = images.flatMap((image) => [
    ...[image.original, ...publishedFiles(image)].flatMap((file) => file?.name ?? []),
    ...inputNames(image),
  ]);
  return [...new Set(names)].sort();
}

/** The inputs that a record names and the disk does not have. */
export function missingInputs(folder: string, images: readonly Image[]): readonly string[] {
  const named = new Set(images.flatMap(inputNames));
  return [...named].filter((name) => !existsSync(join(folder, 'media', name)));
}

/** What is wrong with the pictures that a running service serves, compared with `images` and with the files on disk. */
export async function auditServing(url: string, folder: string, images: readonly Image[]): Promise<readonly string[]> {
  const findings: string[] = [];
  const published = new Map(images.flatMap(publishedFiles).map((file) => [file.name, file]));
  for (const image of images) {
    if (image.status !== 'succeeded') continue;
    if (image.master === null) findings.push(`${image.mediaId} succeeded without a master`);
    if (!image.thumbnail) findings.push(`${image.mediaId} succeeded without a thumbnail`);
  }
  const names = new Set([...published.keys(), ...filesOnDisk(folder).filter((name) => !name.includes('/'))]);
  for (const name of names) {
    const response = await fetch(`${url}/media/${name}`);
    const bytes = Buffer.from(await response.arrayBuffer());
    const file = published.get(name);
    const expected = file ? `200 ${file.bytes} ${file.sha256} "${file.sha256}"` : '404';
    const seen =
      response.status === 200
        ? `200 ${bytes.length} ${sha256(bytes)} ${response.headers.get('etag')}`
        : String(response.status);
    if (seen !== expected) findings.push(`/media/${name}: ${seen}, by its record ${expected}`);
  }
  return findings;
}

/** Whether the image failed because as many calls of unknown outcome as are allowed count for its run. */
export function isSpent(image: Image, allowed: number): boolean {
  return countedUnknowns(image) === allowed && image.attempts.every(({ outcome }) => outcome !== 'ok');
}

/**
 * Whether the image was given up since two threads in a row died over its picture, which could be the reason. Its original is kept, and the
 * same request finishes it without a call.
 */
export function isKeptUnfinished({ error, original, attempts }: Image): boolean {
  const pictures = attempts.filter(({ outcome }) => outcome === 'ok').length;
  return error?.code === 'internal_error' && original?.sound === true && pictures === 1;
}

/** The SHA-256 of the bytes in hexadecimal. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
