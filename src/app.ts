import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify';
import { serializerCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { pino } from 'pino';
import { everyone } from './http/auth.ts';
import { answerBrokenRequest, requireHost } from './http/broken-request.ts';
import { createHealth, type HealthChecks } from './http/health.ts';
import type { Metrics } from './http/metrics.ts';
import { documentRoutes } from './http/openapi.ts';
import { shedGeneration } from './http/overload.ts';
import { answerError, answerProblems } from './http/problem.ts';
import { observeRequest, requestId } from './http/request-log.ts';
import { cleanupRoutes } from './http/routes/cleanup.ts';
import { eventRoutes } from './http/routes/events.ts';
import { healthRoutes } from './http/routes/health.ts';
import { imageRoutes } from './http/routes/images.ts';
import { type MediaFiles, mediaRoutes } from './http/routes/media.ts';
import { metricsRoutes } from './http/routes/metrics.ts';
import { presetRoutes } from './http/routes/presets.ts';
import { provenanceRoutes } from './http/routes/provenance.ts';
import { usageRoutes } from './http/routes/usage.ts';
import { refuseWorkWhile } from './http/stopping.ts';
import { readJsonBodies, validatorCompiler } from './http/validation.ts';
import type { Clock } from './images/ports.ts';
import type { Images } from './images/service.ts';

/** What the HTTP side is told by the configuration. */
export interface AppConfig {
  readonly version: string;
  /** Longest that `POST /images` waits for the end of a picture. */
  readonly syncWaitSeconds: number;
  /** Whose `X-Forwarded-*` headers to believe, as Fastify's option of that name takes it. */
  readonly trustProxy: boolean | string;
}

/** What the HTTP side works with. */
export interface AppServices {
  readonly images: Images;
  readonly files: MediaFiles;
  readonly metrics: Metrics;
  readonly checks: HealthChecks;
  readonly clock: Clock;
  /** Whether the order to stop has come. */
  readonly stopping: () => boolean;
  readonly logger: FastifyBaseLogger;
}

/** 1 MiB: a prompt of the longest kind, and 16 metadata pairs, many times over. */
const BODY_LIMIT = 1024 * 1024;
/** The longest name of a picture is some 150 characters; Fastify's own limit of 100 would hide legal ones. */
const MAX_PARAM_LENGTH = 512;

const HEADERS_TIMEOUT_MS = 15_000;
const REQUEST_TIMEOUT_MS = 60_000;
/** Longer than the 60 s for which most proxies keep an idle connection, so that they are the ones to close it. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/** How often Node looks for requests that are late. */
const LATE_CHECK_MS = 5_000;

/** The HTTP side, whole but not listening yet. */
export async function buildApp(config: AppConfig, services: AppServices): Promise<FastifyInstance> {
  const { images, files, metrics, checks, clock, stopping, logger } = services;
  const { version, syncWaitSeconds, trustProxy } = config;
  const health = createHealth({ checks, clock, version, stopping });

  const app = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: requestId,
    trustProxy,
    bodyLimit: BODY_LIMIT,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    http: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: LATE_CHECK_MS,
      // `requireHost` does, and answers as a problem.
      requireHostHeader: false,
    },
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    // `refuseWorkWhile` answers as a problem, and goes on serving pictures and health.
    return503OnClosing: false,
    clientErrorHandler: answerBrokenRequest,
    // Paths that cannot be routed: they pass by every hook.
    frameworkErrors: (error, request, reply) => {
      observeRequest(request, reply, metrics.countRequest);
      answerError(error, request, reply);
    },
  }).withTypeProvider<ZodTypeProvider>();

  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.addHook('onRequest', async (request, reply) => observeRequest(request, reply, metrics.countRequest));
  answerProblems(app);
  requireHost(app);
  readJsonBodies(app);
  refuseWorkWhile(stopping, app);
  await shedGeneration(app);

  await documentRoutes(app, version);
  await app.register(imageRoutes, { images, identify: everyone, syncWaitSeconds });
  await app.register(eventRoutes, { images, identify: everyone, clock });
  await app.register(provenanceRoutes, { images, identify: everyone });
  await app.register(presetRoutes, { images });
  await app.register(mediaRoutes, { files });
  await app.register(cleanupRoutes, { images });
  await app.register(healthRoutes, { health });
  await app.register(metricsRoutes, { metrics });
  await app.register(usageRoutes, { images, identify: everyone });
  return app;
}

/** The OpenAPI document that a running service has at `/openapi.json`, made without running one. */
export async function describeApi(version: string): Promise<object> {
  const app = await buildApp({ version, syncWaitSeconds: 0, trustProxy: false }, uncalledServices());
  await app.ready();
  const document = app.swagger();
  await app.close();
  return document;
}

/** Enough for routes to be registered with. */
function uncalledServices(): AppServices {
  const uncalled = (): never => {
    throw new Error('an app that was only built to be described was called');
  };
  return {
    images: {
      submit: uncalled,
      preview: uncalled,
      waitUntilFinished: uncalled,
      get: uncalled,
      list: uncalled,
      follow: uncalled,
      cancel: uncalled,
      remove: uncalled,
      provenance: uncalled,
      presets: uncalled,
      cleanup: uncalled,
      lastCleanup: uncalled,
      usage: uncalled,
    },
    files: { root: import.meta.dirname, find: uncalled },
    metrics: {
      imageEnded: uncalled,
      providerCall: uncalled,
      providerRetry: uncalled,
      accountFault: uncalled,
      stage: uncalled,
      spent: uncalled,
      countRequest: uncalled,
      expose: uncalled,
    },
    checks: { storage: uncalled, database: uncalled, queue: uncalled, providers: uncalled },
    clock: { now: () => 0, sleep: uncalled },
    stopping: () => false,
    logger: pino({ level: 'silent' }),
  };
}
