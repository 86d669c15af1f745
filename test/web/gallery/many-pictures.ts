/** A gallery with many pictures, made within a second or two: the records are real, and their files are links to those of one. */

import { link, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Image } from '../../../src/core/domain/image.ts';
import { openRecords } from '../../support/app/records.ts';
import { type PageService, startPageService } from '../../support/page/page-service.ts';
import { eventually, until } from '../../support/until.ts';

/** Small pictures, whose files are made quickly. */
const SIZE = { IMAGE_SIZE: '256x192', IMAGE_RENDITIONS: '' };

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

/** Starts a service with `count` pictures, `picture 1` being the oldest; every tenth has the label `tenth`. */
export async function startWithPictures(
  count: number,
  env: Readonly<Record<string, string>> = {},
): Promise<PageService> {
  const easel = await startPageService({ ...SIZE, ...env });
  await make(easel, { mediaId: 'sample', prompt: 'sample' });
  // Its thumbnail is made when it is asked for first, at the latest.
  await fetch(`${easel.url}/media/sample@thumb.webp`);
  await easel.kill();
  await copySample(easel.folder, count);
  await easel.restart();
  return easel;
}

async function copySample(folder: string, count: number): Promise<void> {
  const media = join(folder, 'media');
  const files = (await readdir(media)).filter((name) => name.startsWith('sample'));
  const records = openRecords(folder);
  try {
    const sample = await records.get('sample');
    if (sample === null) throw new Error('the sample was not made');
    const document = JSON.stringify(sample);
    const first = Date.parse(sample.createdAt) - count * 60_000;
    const copies = Array.from({ length: count }, (_, index) => copyOf(document, index + 1, first + index * 60_000));
    await records.accept(copies, Number.POSITIVE_INFINITY);
    for (const { mediaId } of copies) {
      for (const name of files) await link(join(media, name), join(media, name.replace('sample', mediaId)));
    }
  } finally {
    await records.close();
  }
}

function copyOf(document: string, number: number, at: number): Image {
  const mediaId = `many-${String(number).padStart(5, '0')}`;
  const copy: Image = JSON.parse(document.replaceAll('"sample', `"${mediaId}`));
  const prompt = `picture ${number}`;
  const time = new Date(at).toISOString();
  const labels = number % 10 === 0 ? ['tenth'] : [];
  return {
    ...copy,
    idempotencyKey: null,
    prompt,
    request: { ...copy.request, prompt, labels },
    createdAt: time,
    requestedAt: time,
    completedAt: time,
  };
}
