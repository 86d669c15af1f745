/** A gallery with many pictures, which are there before the service starts: whole records, whose files are links to those of one. */

import { createHash } from 'node:crypto';
import { link, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Image, MediaFile } from '../../../src/core/domain/image.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { openRecords } from '../../support/app/records.ts';
import { type PageService, startPageService } from '../../support/page/page-service.ts';
import { texturedPicture } from '../../support/pictures.ts';
import { eventually, until } from '../../support/until.ts';

/** Small pictures, whose files are made quickly. */
const SIZE = { width: 256, height: 192 };
const SETTINGS = { IMAGE_SIZE: '256x192', IMAGE_RENDITIONS: '' };

interface Made {
  readonly mediaId: string;
  readonly completedAt: string | null;
}

/** Asks for a picture, and resolves when it has ended, well or not; with `isWaiting` false as soon as it is accepted. */
export async function make(easel: { readonly url: string }, body: object, isWaiting = true): Promise<void> {
  const { mediaId } = await ask(easel.url, body);
  if (!isWaiting) return;
  await until(async () => {
    const answer = await fetch(`${easel.url}/images/${mediaId}`);
    return ((await answer.json()) as Made).completedAt !== null;
  });
}

async function ask(url: string, body: object): Promise<Made> {
  const headers = { 'content-type': 'application/json', prefer: 'respond-async' };
  return eventually(async () => {
    const answer = await fetch(`${url}/images`, { method: 'POST', headers, body: JSON.stringify(body) });
    // A busy machine may refuse it for a moment.
    if (!answer.ok) throw new Error(await answer.text());
    return (await answer.json()) as Made;
  });
}

/** Starts a service with `count` pictures, `picture 1` being the oldest. */
export async function startWithPictures(count: number): Promise<PageService> {
  return startPageService(SETTINGS, (folder) => addPictures(folder, count));
}

async function addPictures(folder: string, count: number): Promise<void> {
  const media = join(folder, 'media');
  await mkdir(media, { recursive: true });
  const [master, thumbnail] = await Promise.all([
    texturedPicture({ ...SIZE, format: 'png' }),
    texturedPicture({ ...SIZE, format: 'webp' }),
  ]);
  const begin = Date.now() - count * 60_000;
  const images = Array.from({ length: count }, (_, index) =>
    doneImage(index + 1, new Date(begin + index * 60_000).toISOString(), master, thumbnail),
  );
  const [first] = images;
  if (first === undefined) return;
  for (const [file, bytes] of [
    [first.master, master],
    [first.thumbnail, thumbnail],
  ] as const) {
    if (file) await writeFile(join(media, file.name), bytes);
  }
  await Promise.all(
    images
      .slice(1)
      .flatMap(({ master, thumbnail }) => [
        link(join(media, String(first.master?.name)), join(media, String(master?.name))),
        link(join(media, String(first.thumbnail?.name)), join(media, String(thumbnail?.name))),
      ]),
  );
  const records = openRecords(folder);
  try {
    await records.accept(images, Number.POSITIVE_INFINITY);
  } finally {
    await records.close();
  }
}

function doneImage(number: number, time: string, master: Buffer, thumbnail: Buffer): Image {
  const mediaId = `many-${String(number).padStart(5, '0')}`;
  const { request, ...example } = exampleImage({ mediaId });
  const prompt = `picture ${number}`;
  return {
    ...example,
    prompt,
    request: { ...request, prompt, preset: null, size: SIZE, renditions: [], labels: [], metadata: {} },
    requestedSize: SIZE,
    times: { status: 'succeeded', run: 1, since: time, startedAt: time },
    master: fileOf(`${mediaId}.png`, 'png', master),
    thumbnail: fileOf(`${mediaId}@thumb.webp`, 'webp', thumbnail),
    renditions: [],
    pending: [],
    warnings: [],
    createdAt: time,
    requestedAt: time,
    completedAt: time,
    expiresAt: null,
  };
}

function fileOf(name: string, format: MediaFile['format'], bytes: Buffer): MediaFile {
  return { name, format, ...SIZE, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}
