/**
 * Kills the process by SIGKILL at one of the `STEPS`, where its records are in PostgreSQL and its pictures in a bucket. It is loaded
 * ahead of the service as `../die-at-step.ts` is, with the same settings, and wraps the clients of both below the service: the commit of
 * a transaction and each request to the bucket. The step may also be set while the process runs: at SIGURG it is read from the file that
 * `DEATH_FILE` names.
 */

import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

import {
  CompleteMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import pg from 'pg';
import { mediaIdOf } from '../../../src/core/domain/file-names.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import { stepsOf } from '../commit-steps.ts';
import { arm, reached } from '../reached.ts';
import type { Step } from '../steps.ts';

const { DEATH_FILE } = process.env;
if (isMainThread && DEATH_FILE !== undefined) {
  // A signal that by default does nothing, and that the service does not listen to.
  process.on('SIGURG', () => arm(JSON.parse(readFileSync(DEATH_FILE, 'utf8')) as { step: Step; on: number }));
}

// ------------------------------------------------------------ PostgreSQL

interface Noted {
  readonly mediaId: string;
  readonly before: Step | null;
  readonly after: Step | null;
}

/** What the open transaction of each connection writes. */
const open = new WeakMap<pg.Client, Noted[]>();

type Query = (this: pg.Client, ...args: unknown[]) => unknown;

const query = pg.Client.prototype.query as Query;
pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
  const [first, second] = args;
  const config = first as { readonly text?: string; readonly values?: readonly unknown[] };
  const text = (typeof first === 'string' ? first : config?.text) ?? '';
  const values = Array.isArray(second) ? second : (config?.values ?? []);
  const word = text.trimStart().slice(0, 8).toUpperCase();
  if (word.startsWith('BEGIN')) open.set(this, []);
  if (word.startsWith('ROLLBACK')) open.delete(this);
  const noted = notedIn(text, values);
  const transaction = open.get(this);
  if (transaction && !word.startsWith('COMMIT')) {
    transaction.push(...noted);
    return Reflect.apply(query, this, args);
  }
  // A commit, or a statement that is a transaction of its own.
  open.delete(this);
  const committed = transaction ?? noted;
  if (committed.length === 0) return Reflect.apply(query, this, args);
  for (const { mediaId, before } of committed) if (before) reached(before, mediaId);
  const result = Reflect.apply(query, this, args);
  if (!(result instanceof Promise)) return result;
  return result.then((value) => {
    for (const { mediaId, after } of committed) if (after) reached(after, mediaId);
    return value;
  });
} as typeof pg.Client.prototype.query;

/** The images and deletions that a statement writes, by its values. */
function notedIn(text: string, values: readonly unknown[]): readonly Noted[] {
  if (/(?:INSERT INTO|UPDATE)\s+easel\.images/i.test(text)) {
    return values.flatMap(imagesIn).map((image) => ({ mediaId: image.mediaId, ...stepsOf(image) }));
  }
  if (/INSERT INTO easel\.deletions/i.test(text)) return [deletion(values, null, 'afterDeletionNoted')];
  if (/DELETE FROM easel\.deletions/i.test(text)) return [deletion(values, 'beforeDeletionDone', null)];
  return [];
}

function deletion([mediaId]: readonly unknown[], before: Step | null, after: Step | null): Noted {
  return { mediaId: String(mediaId), before, after };
}

/** The documents of images that a value holds: one as JSON, or a list of such. */
function imagesIn(value: unknown): readonly Image[] {
  if (Array.isArray(value)) return value.flatMap(imagesIn);
  const parsed = typeof value === 'string' && value.startsWith('{"') ? parse(value) : value;
  return isImage(parsed) ? [parsed] : [];
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isImage(value: unknown): value is Image {
  return typeof value === 'object' && value !== null && 'mediaId' in value && 'attempts' in value && 'status' in value;
}

// ---------------------------------------------------------------- bucket

type Send = (this: S3Client, command: object, ...rest: unknown[]) => Promise<unknown>;

// It belongs to the class that all clients of the SDK share.
const send = S3Client.prototype.send as unknown as Send;
S3Client.prototype.send = async function (this: S3Client, command: object, ...rest: unknown[]) {
  if (command instanceof PutObjectCommand || command instanceof CompleteMultipartUploadCommand) {
    const key = command.input.Key ?? '';
    // Neither the mark of the store nor what a health check writes.
    const [, file] = /(?:^|\/)[0-9a-f]{2}\/([^/]+)$/.exec(key) ?? [];
    if (file === undefined) return await Reflect.apply(send, this, [command, ...rest]);
    const isOriginal = key.includes('originals/');
    const mediaId = mediaIdOf(`${isOriginal ? 'originals/' : ''}${decodeURIComponent(file)}`);
    if (isOriginal) reached('beforeOriginalNamed', mediaId);
    const result = await Reflect.apply(send, this, [command, ...rest]);
    if (key.includes('inputs/')) reached('afterInputStored', null);
    else if (!isOriginal) reached('betweenRenames', mediaId);
    return result;
  }
  const result = await Reflect.apply(send, this, [command, ...rest]);
  if (command instanceof DeleteObjectCommand || command instanceof DeleteObjectsCommand)
    reached('betweenUnlinks', null);
  return result;
} as typeof S3Client.prototype.send;
