import { setTimeout as delay } from 'node:timers/promises';
import type { ImageRecord } from '../../src/core/domain/record.ts';
import { type RunningService, startService } from '../support/app/process.ts';
import type { OpenAiServer } from '../support/openai/server.ts';
import type { Step } from './steps.ts';

/** Where and when a process is to die by itself. */
export interface Death {
  readonly step: Step;
  /** How often the step comes by; 1 by default. */
  readonly on?: number;
  /** Only this image counts. */
  readonly mediaId?: string;
}

export interface LifeOptions {
  readonly folder: string;
  readonly upstream: OpenAiServer;
  readonly death?: Death | null;
  /** Loaded ahead of the service; for a death that is `die-at-step.ts`. */
  readonly preload?: URL;
  readonly env?: Readonly<Record<string, string>>;
}

/** One life of the service: the real process, on small pictures, with the stand-in model API behind it. */
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
 * `POST /images`, again while the service says that it has too much to do, as it does on a busy machine. Rejects when the
 * connection breaks, as it does when the service dies.
 */
export async function post(url: string, body: object, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
  for (;;) {
    const response = await fetch(`${url}/images`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    const reply = {
      status: response.status,
      headers: response.headers,
      body: (await response.json()) as Reply['body'],
    };
    if (reply.status !== 429) return reply;
    await delay(250);
  }
}

export async function getRecord(url: string, mediaId: string): Promise<ImageRecord | null> {
  const response = await fetch(`${url}/images/${mediaId}`);
  const body = await response.json();
  return response.status === 404 ? null : (body as ImageRecord);
}
