import { setTimeout as delay } from 'node:timers/promises';
import type { ImageRecord } from '../../src/core/domain/record.ts';
import { type RunningService, startService } from '../support/app/process.ts';
import { multipart, type PartToSend } from '../support/multipart.ts';
import type { OpenAiServer } from '../support/openai/server.ts';
import type { Step } from './steps.ts';

/** The step at which the process kills itself. */
export interface Death {
  readonly step: Step;
  /** The occurrence of the step that kills; 1, the first, by default. */
  readonly on?: number;
  /** Only this image counts. */
  readonly mediaId?: string;
}

export interface LifeOptions {
  readonly folder: string;
  readonly upstream: OpenAiServer;
  readonly death?: Death | null;
  /** A module to load ahead of the service; `death` replaces it by `die-at-step.ts`. */
  readonly preload?: URL;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts one life of the service: the real process, set to small pictures, calling the stand-in model API. */
export async function startLife({ folder, upstream, death, preload, env }: LifeOptions): Promise<RunningService> {
  upstream.strict = false;
  return await startService({
    folder,
    ...(preload && { preload }),
    ...(death && { preload: new URL('die-at-step.ts', import.meta.url) }),
    env: {
      OPENAI_API_KEY: upstream.key ?? 'none',
      OPENAI_BASE_URL: upstream.baseUrl,
      IMAGE_MODEL: 'small',
      IMAGE_SIZE: '128x128',
      IMAGE_RENDITIONS: '64x64.webp,32x32.png',
      ...(death && {
        DIE_AT: death.step,
        DIE_ON: String(death.on ?? 1),
        ...(death.mediaId !== undefined && { DIE_FOR: death.mediaId }),
      }),
      ...env,
    },
  });
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: ImageRecord & { readonly code?: string; readonly detail?: string };
}

/**
 * `POST /images`, in JSON or with `files` as a form, repeated while the answer is 429, which the service gives on a busy machine. Rejects
 * when the connection breaks, as it does when the service dies.
 */
export async function post(
  url: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
  files: readonly PartToSend[] = [],
): Promise<Reply> {
  const json = JSON.stringify(body);
  const form = multipart([...files, { name: 'request', content: json }]);
  const sent = files.length > 0 ? Uint8Array.from(form.bytes) : json;
  const contentType = files.length > 0 ? form.contentType : 'application/json';
  return await send(`${url}/images`, {
    method: 'POST',
    headers: { 'content-type': contentType, ...headers },
    body: sent,
  });
}

/** `POST /images/:mediaId/retry`, repeated like `post`. */
export async function retry(url: string, mediaId: string): Promise<Reply> {
  return await send(`${url}/images/${mediaId}/retry`, { method: 'POST' });
}

async function send(url: string, init: RequestInit): Promise<Reply> {
  for (;;) {
    const response = await fetch(url, init);
    const reply = {
      status: response.status,
      headers: response.headers,
      body: (await response.json()) as Reply['body'],
    };
    if (reply.status !== 429) return reply;
    await delay(250);
  }
}

/** The record of the image, or null where there is none. */
export async function getRecord(url: string, mediaId: string): Promise<ImageRecord | null> {
  const response = await fetch(`${url}/images/${mediaId}`);
  const body = await response.json();
  return response.status === 404 ? null : (body as ImageRecord);
}
