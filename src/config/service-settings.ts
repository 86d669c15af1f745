/** Settings of the process: where it listens, what it logs and traces, how it stops. */

import { isIP } from 'node:net';
import { z } from 'zod';
import type { HttpAccess } from './access-settings.ts';
import type { callSettings } from './call-settings.ts';
import { type imagingSettings, inputMemoryBytes } from './imaging-settings.ts';
import { choice, count, flag, type SettingsOf, seconds, taking } from './setting-types.ts';
import type { DeliveryConfig, replicaSettings, storageSettings } from './storage-settings.ts';

/** A name of a machine: letters, digits and hyphens, with dots between. */
const HOST_NAME = /^(?!-)[a-z\d_-]{1,63}(\.[a-z\d_-]{1,63})*\.?$/i;
const hostWords = 'an IP address or a host name';

/** An absolute URL that paths can be joined to, without the slash at its end. */
const publicUrl = taking(
  'an http or https URL',
  z.string().transform((text, context) => {
    const url = URL.parse(text);
    const isBase = url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
    if (isBase && !/[?#]/.test(text)) return url.href.replace(/\/$/, '');
    const message =
      'must be an http or https URL without query, fragment and password, such as https://example.com/easel';
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  }),
);

export const listenSettings = {
  HOST: taking(
    hostWords,
    z
      .string()
      .refine(
        (text) => isIP(text) !== 0 || (HOST_NAME.test(text) && text.length <= 253),
        `must be ${hostWords} alone, such as 127.0.0.1, :: or localhost`,
      ),
  )
    .default('127.0.0.1')
    .describe('Address to listen on. Any but loopback needs API keys, or `ALLOW_ANONYMOUS=true`.'),
  PORT: count(0, 65_535).default(3000).describe('Port to listen on; `0` takes a free one and logs it.'),
  PUBLIC_URL: publicUrl
    .optional()
    .describe(
      'Address at which clients reach the service, with the path prefix that a proxy takes off, such as ' +
        '`https://example.com/easel`: makes every URL that it writes absolute. Default: paths.',
    ),
  ALLOW_ANONYMOUS: flag
    .default(false)
    .describe('Serve without API keys on an address that other machines can reach. With keys it changes nothing.'),
} as const;

/** How the process starts and stops. */
export const processSettings = {
  SHUTDOWN_GRACE_SECONDS: seconds(0)
    .optional()
    .describe(
      'How long a stop waits for paid calls that are out; it ends as soon as none is. A supervisor has to wait as long before it ' +
        'kills. Default: `GENERATION_TIMEOUT_SECONDS` + 15, so that no call is cut off, and its picture is stored.',
    ),
  NODE_ENV: z
    .string()
    .optional()
    .describe('`production` refuses to start on the placeholder unless `PROVIDERS=placeholder` is set.'),
} as const;

/** What the process says about itself. */
export const watchSettings = {
  LOG_LEVEL: choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('Least severe level that is logged.'),
  LOG_PROMPTS: flag.default(false).describe('Also log prompt texts, and those that a provider quotes in an error.'),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL, such as http://127.0.0.1:4318' })
    .optional()
    .describe(
      'Collector that traces are sent to, by OTLP over HTTP (JSON): `/v1/traces` below this URL. Default: no traces.',
    ),
} as const;

/** What a stop leaves a call beyond its own timeout, in seconds: time to store its picture. */
const SECONDS_TO_STORE = 15;

/** The settings of the HTTP server. */
export interface ServerConfig extends HttpAccess, DeliveryConfig {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Where clients reach the service, without a slash at its end; null to write paths only. */
  readonly publicUrl: string | null;
  /** How long `POST /images` waits for the picture before it answers 202. */
  readonly syncWaitSeconds: number;
  /** How long a call of the OpenAI dialect that comes back by itself waits before it is answered 503. */
  readonly openAiWaitSeconds: number;
  /** How long a tool call of an agent waits before it answers how far the picture is. */
  readonly mcpWaitSeconds: number;
  /** How long any other call of the dialect waits. */
  readonly generationTimeoutSeconds: number;
  /** Memory for caching popular pictures, in bytes; 0 caches none. */
  readonly mediaCacheBytes: number;
  /** Memory for all uploads at the same time, in bytes; one has at most as much. */
  readonly inputMemoryBytes: number;
}

export interface ServiceConfig {
  /** How long paid calls may take to end after the process was asked to stop, in milliseconds. */
  readonly shutdownGraceMs: number;
  readonly log: {
    readonly level: SettingsOf<typeof watchSettings>['LOG_LEVEL'];
    /** True to log prompt texts too. */
    readonly prompts: boolean;
  };
  /** OTLP collector that traces are sent to; null for no traces. */
  readonly tracing: { readonly endpoint: string } | null;
}

export function serverConfig(
  settings: SettingsOf<
    typeof listenSettings &
      Pick<typeof storageSettings & typeof replicaSettings, 'MEDIA_CACHE_BYTES' | 'MEDIA_DELIVERY' | 'ROLE'> &
      Pick<typeof imagingSettings, 'INPUT_MEMORY_BYTES'> &
      Pick<
        typeof callSettings,
        'SYNC_WAIT_SECONDS' | 'OPENAI_WAIT_SECONDS' | 'MCP_WAIT_SECONDS' | 'GENERATION_TIMEOUT_SECONDS'
      >
  >,
  access: HttpAccess,
): ServerConfig {
  return {
    host: settings.HOST,
    port: settings.PORT,
    publicUrl: settings.PUBLIC_URL ?? null,
    syncWaitSeconds: settings.SYNC_WAIT_SECONDS,
    openAiWaitSeconds: settings.OPENAI_WAIT_SECONDS,
    mcpWaitSeconds: settings.MCP_WAIT_SECONDS,
    generationTimeoutSeconds: settings.GENERATION_TIMEOUT_SECONDS,
    mediaCacheBytes: settings.MEDIA_CACHE_BYTES,
    mediaDelivery: settings.MEDIA_DELIVERY,
    answersCallers: settings.ROLE !== 'worker',
    inputMemoryBytes: inputMemoryBytes(settings),
    ...access,
  };
}

export function serviceConfig(
  settings: SettingsOf<
    typeof processSettings & typeof watchSettings & Pick<typeof callSettings, 'GENERATION_TIMEOUT_SECONDS'>
  >,
): ServiceConfig {
  const endpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT;
  return {
    shutdownGraceMs: (settings.SHUTDOWN_GRACE_SECONDS ?? settings.GENERATION_TIMEOUT_SECONDS + SECONDS_TO_STORE) * 1000,
    log: { level: settings.LOG_LEVEL, prompts: settings.LOG_PROMPTS },
    tracing: endpoint === undefined ? null : { endpoint },
  };
}
