/** Requests with inputs, through the use cases of a whole service. */

import { expect } from 'vitest';
import { inputName, sha256 } from '../../../src/core/domain/file-names.ts';
import type { GivenInput } from '../../../src/core/domain/input.ts';
import { ANONYMOUS, type Caller, type CreateImage } from '../../../src/core/domain/request.ts';
import type { Easel } from './easel.ts';

/** Two keys, neither of which sees what the other made. */
export const SHOP: Caller = { name: 'shop', seesAll: false, admin: false };
export const BLOG: Caller = { name: 'blog', seesAll: false, admin: false };

export const part = (bytes: Uint8Array): GivenInput => ({ file: 'image', bytes });

/** Submits a request, and waits for the end of its image. */
export async function submit(easel: Easel, create: CreateImage, caller: Caller = ANONYMOUS, key: string | null = null) {
  const { images } = easel.services;
  const { image, started } = await images.submit({ prompt: 'a lighthouse', ...create }, caller, key);
  const ended = await images.waitUntilFinished(image.mediaId, 600_000, new AbortController().signal);
  if (ended === null) throw new Error(`${image.mediaId} is gone`);
  return { started, image: ended };
}

/** Why a request is refused; nothing of it is stored, and no model is called. */
export async function refusal(easel: Easel, create: CreateImage, caller: Caller = ANONYMOUS) {
  const before = [await easel.files(), easel.upstream.calls.length];
  const error = await submit(easel, create, caller).catch((cause: unknown) => cause);
  expect([await easel.files(), easel.upstream.calls.length]).toEqual(before);
  if (create.mediaId) expect((await easel.get(`/images/${create.mediaId}`)).status).toBe(404);
  return error as Error & { readonly code: string; readonly paths: readonly { readonly path: string }[] };
}

export const inputFiles = async (easel: Easel) => (await easel.files()).filter((name) => name.startsWith('inputs/'));
export const names = (...pictures: readonly Uint8Array[]) => pictures.map((bytes) => inputName(sha256(bytes))).sort();
