/**
 * The whole service with real adapters in the test's own process: SQLite and pictures in a temporary folder, HTTP on a free port,
 * and the stand-in model API as its provider.
 *
 *     await using easel = await startEasel();
 *     easel.upstream.script(openAiError('server_error'));
 *     const { status, body } = await easel.post({ prompt: 'a lighthouse' });
 */

import { cp, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { createImagingThreads } from '../../../src/adapters/imaging/threads.ts';
import type { OpenCalls } from '../../../src/composition/providers.ts';
import { createServices, type Services } from '../../../src/composition/services.ts';
import { readConfig } from '../../../src/config/config.ts';
import { mediaIdOf } from '../../../src/core/domain/file-names.ts';
import type { ImageRecord } from '../../../src/core/domain/record.ts';
import { buildApp } from '../../../src/http/app.ts';
import { type EventStream, openEventStream } from '../network/event-stream.ts';
import { type OpenAiServer, startOpenAiServer } from '../openai/server.ts';
import { type TemporaryFolder, temporaryFolder } from '../temporary-folder.ts';
import { createTestClock, type TestClock } from '../test-clock.ts';
import { eventually } from '../until.ts';
import { callsHere, sharedImaging } from './adapters-of-tests.ts';
import { writeFreshDatabase } from './fresh-database.ts';

export interface EaselOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** The data folder, for example that of a service that was closed; a new temporary one by default. */
  readonly folder?: string;
  /** A model API that outlives the service; by default the service gets its own, which is closed with it. */
  readonly upstream?: OpenAiServer;
  /** Replaces the measurement of load; always false by default, so that a busy machine does not make tests fail with 429. */
  readonly isOverloaded?: () => boolean;
  /** Opens imaging; by default on threads that all services of the test's process share. */
  readonly openImaging?: typeof createImagingThreads;
  /** Opens the calls of providers; by default on the test's thread. */
  readonly openCalls?: OpenCalls;
  /** As where other processes work over the same records and media store; false by default. */
  readonly isShared?: boolean;
  /** Waits of up to this many milliseconds are skipped; a minute by default. */
  readonly skipMs?: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON: a record, or a problem. */
  readonly body: ImageRecord & Problem;
}

export interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly mediaId: string;
  readonly errors: readonly { readonly path: string; readonly message: string }[];
}

export interface Easel extends AsyncDisposable {
  readonly url: string;
  readonly folder: string;
  readonly upstream: OpenAiServer;
  readonly services: Services;
  readonly clock: TestClock;
  /** Every line that was logged so far. */
  readonly log: readonly string[];
  post(body: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  record(mediaId: string): Promise<ImageRecord>;
  cancel(mediaId: string): Promise<Answer>;
  retry(mediaId: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** Listens to the events of an image, from the first after `lastEventId`. */
  listen(mediaId: string, lastEventId?: string): Promise<EventStream>;
  /** The record once no rendition is pending; rejects after 10 s. */
  made(mediaId: string): Promise<ImageRecord>;
  /** Names of all files below the media folder but its mark, its lock and what a check of the storage writes, sorted. */
  files(): Promise<string[]>;
  /**
   * Simulates a crash: a copy of the folder as it is now, to start another service with. Correct only while nothing is being written,
   * as during a provider call. `torture/` kills real processes, at every step.
   */
  leftByCrash(): Promise<TemporaryFolder>;
}

/** The master and the renditions that a record shows as published. */
export function publishedFiles(record: ImageRecord) {
  return [record, ...record.renditions].filter((file) => 'sha256' in file);
}

/** The bytes that all files of an image take on disk, its originals included. */
export async function bytesOnDisk(easel: Pick<Easel, 'folder' | 'files'>, mediaId: string): Promise<number> {
  const names = (await easel.files()).filter((name) => mediaIdOf(name) === mediaId);
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(easel.folder, 'media', name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Starts the service; it listens and works when the promise resolves. It stops at the end of the `await using` block. */
export async function startEasel(options: EaselOptions = {}): Promise<Easel> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'easel-')));
  // Migrations took a tenth of a start, and have tests of their own.
  if (options.folder === undefined) await writeFreshDatabase(join(folder, 'easel.db'));
  const upstream = options.upstream ?? (await startOpenAiServer());
  const clock = createTestClock(options);
  const log: string[] = [];
  const config = readConfig({
    PORT: '0',
    MEDIA_DIR: join(folder, 'media'),
    DATABASE_URL: `sqlite:${join(folder, 'easel.db')}`,
    OPENAI_API_KEY: upstream.key ?? 'none',
    OPENAI_BASE_URL: upstream.baseUrl,
    IMAGE_SIZE: '1024x640',
    IMAGE_RENDITIONS: '256x160.png',
    LOG_LEVEL: 'debug',
    ...options.env,
  });
  const logger = pino({ level: config.log.level, base: null }, { write: (line: string) => void log.push(line) });
  const services = await createServices(config, logger, {
    clock,
    random: () => 0.5,
    openImaging: options.openImaging ?? sharedImaging,
    openCalls: options.openCalls ?? callsHere,
    isShared: options.isShared ?? false,
  });
  // What HTTP waits for are heartbeats and time limits.
  const parts = { ...services, clock: clock.unskipped };
  const app = await buildApp({ ...config.server, version: 'test' }, parts, {
    watchLoad: () => options.isOverloaded ?? (() => false),
  });
  const url = await app.listen({ host: config.server.host, port: config.server.port });
  await services.start();

  const answerOf = async (response: Response): Promise<Answer> => ({
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Answer['body'],
  });
  const record = async (mediaId: string) => (await (await fetch(`${url}/images/${mediaId}`)).json()) as ImageRecord;

  return {
    url,
    folder,
    upstream,
    services,
    clock,
    log,
    async post(body, headers = {}) {
      return await answerOf(
        await fetch(`${url}/images`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: typeof body === 'string' ? body : JSON.stringify(body),
        }),
      );
    },
    cancel: async (mediaId) => await answerOf(await fetch(`${url}/images/${mediaId}/cancel`, { method: 'POST' })),
    retry: async (mediaId, headers = {}) =>
      await answerOf(await fetch(`${url}/images/${mediaId}/retry`, { method: 'POST', headers })),
    listen: (mediaId, lastEventId) => openEventStream(`${url}/images/${mediaId}/events`, lastEventId),
    get: (path, headers = {}) => fetch(`${url}${path}`, { headers }),
    record,
    made: (mediaId) =>
      eventually(async () => {
        const image = await record(mediaId);
        if (image.renditions.some(({ status }) => status === 'pending')) throw new Error(`${mediaId} is not all made`);
        return image;
      }),
    async files() {
      const entries = await readdir(join(folder, 'media'), { recursive: true, withFileTypes: true });
      return (
        entries
          .filter((entry) => entry.isFile() && !entry.name.startsWith('.easel'))
          .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 7))
          // Anything on the machine may ask for its health: a test whose own service had this port before does.
          .filter((name) => !name.startsWith('.tmp/probe-'))
          .sort()
      );
    },
    async leftByCrash() {
      const left = await temporaryFolder();
      await cp(folder, left.path, { recursive: true });
      return left;
    },
    async [Symbol.asyncDispose]() {
      // Until no image is worked on any more: one that were left behind would write into a folder that is removed.
      await services.stop({ graceMs: 0, finishMs: 120_000, endAnswers: () => app.close() });
      if (options.upstream === undefined) await upstream.close();
      if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}
