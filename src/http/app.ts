import type { FastifyBaseLogger, FastifyInstance, FastifyPluginAsync } from 'fastify';
import { serializerCompiler } from 'fastify-type-provider-zod';
import { createBytesInHand } from '../core/domain/bytes-in-hand.ts';
import type { ToRecord } from '../core/domain/record.ts';
import type { CallDefaults } from '../core/images/call-defaults.ts';
import type { Calls } from '../core/images/calls.ts';
import type { Images } from '../core/images/images.ts';
import type { PublishedPictures } from '../core/images/published-file.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { RequestCounters } from '../core/ports/request-counters.ts';
import type { Metrics } from '../core/ports/telemetry.ts';
import { NO_TRACING, type Tracer } from '../core/ports/tracer.ts';
import type { Access, Keys } from '../security/api-keys.ts';
import type { SignedLinks } from '../security/signed-links.ts';
import { callerOf, createStillKnown, decorateCaller, guardMetrics, guardPages, requireKeys } from './access/auth.ts';
import { createRateLimiter, prepareRateLimits, type RateLimits } from './access/rate-limit.ts';
import { createLocalCounters, withLocalFallback } from './access/request-counters.ts';
import { allowOrigins, secureHeaders, securePictures } from './access/security-headers.ts';
import { ignoreRangeOfHead, requireHost } from './connections/broken-request.ts';
import { boundConnections } from './connections/connection-bound.ts';
import { trackConnections } from './connections/open-connections.ts';
import { watchLoad } from './connections/overload.ts';
import { createServer, MAX_PARAM_LENGTH } from './connections/server.ts';
import { endConnections, refuseWorkWhileStopping } from './connections/stopping.ts';
import { DEFAULT_TIMEOUTS, pauseSocketTimeout, type Timeouts } from './connections/timeouts.ts';
import { privateAccess } from './media/access.ts';
import { createHotFiles } from './media/hot-files.ts';
import { createRedirect, type MediaDelivery } from './media/redirect.ts';
import { createRepeatedAnswers } from './media/repeated-answers.ts';
import { createHealth, type HealthChecks } from './monitoring/health.ts';
import { observeRequest, observeRequests, requestId } from './monitoring/request-log.ts';
import { traceRequests } from './monitoring/tracing.ts';
import { handleOpenAiError, handleOpenAiErrors } from './openai/errors.ts';
import { openAiRoutes } from './openai/routes.ts';
import { taskRoutes } from './openai/tasks.ts';
import { documentRoutes } from './openapi/document.ts';
import { createPage } from './page/page.ts';
import { createPagePolicy } from './page/page-policy.ts';
import { trackMethods } from './protocol/allowed-methods.ts';
import { countJsonPictures } from './protocol/json-pictures.ts';
import { readMultipartBodies } from './protocol/multipart-bodies.ts';
import { handleError, handleErrors, handleUnknownRoutes } from './protocol/problem.ts';
import { readJsonBodies, validatorCompiler } from './protocol/validation.ts';
import { cleanupRoutes } from './routes/cleanup.ts';
import { docsRoutes } from './routes/docs.ts';
import { feedRoutes } from './routes/feed.ts';
import { healthRoutes } from './routes/health.ts';
import { deliveryRoutes } from './routes/images/deliveries.ts';
import { eventRoutes } from './routes/images/events.ts';
import { imageRoutes } from './routes/images/images.ts';
import { provenanceRoutes } from './routes/images/provenance.ts';
import { runRoutes } from './routes/images/runs.ts';
import { type AnswerMcp, mcpRoutes } from './routes/mcp.ts';
import { mediaRoutes } from './routes/media.ts';
import { metricsRoutes } from './routes/metrics.ts';
import { modelRoutes } from './routes/models.ts';
import { operationsRoutes } from './routes/operations.ts';
import { pageRoutes } from './routes/page.ts';
import { presetRoutes } from './routes/presets.ts';
import { usageRoutes } from './routes/usage.ts';
import { whoamiRoutes } from './routes/whoami.ts';

/** Settings of the HTTP side. */
export interface AppConfig {
  /** Version of Easel, for health and the OpenAPI document. */
  readonly version: string;
  /** False for a replica that answers its operators alone: health and metrics. */
  readonly answersCallers: boolean;
  /** Whether there is a page at `/`. */
  readonly page: boolean;
  /** Where clients reach the service, without a slash at its end; null to write paths only. */
  readonly publicUrl: string | null;
  /** Memory for all uploads at the same time, in bytes; one has at most as much. */
  readonly inputMemoryBytes: number;
  /** Longest that `POST /images` waits for an image to finish. */
  readonly syncWaitSeconds: number;
  /** Longest that a call of the OpenAI dialect waits where its client comes back by itself. */
  readonly openAiWaitSeconds: number;
  /** Longest that any other call of the dialect waits: as long as one call to a provider may take. */
  readonly generationTimeoutSeconds: number;
  /** Size of the memory cache of popular files, in bytes. */
  readonly mediaCacheBytes: number;
  /** Whether pictures are sent by us, or by their store where it can give a URL; `stream` by default. */
  readonly mediaDelivery?: MediaDelivery;
  /** Proxies whose `X-Forwarded-*` headers are trusted; takes the values of Fastify's option of this name. */
  readonly trustProxy: boolean | string;
  readonly metricsAccess: Access;
  readonly docsAccess: Access;
  readonly rateLimits: RateLimits;
  /** Origins of web pages that may call the API from browsers; `*` for all. */
  readonly corsOrigins: readonly string[];
}

/** What the HTTP side calls. */
export interface AppServices {
  readonly images: Images;
  /** The calls of the OpenAI dialect, and what they get where they choose nothing. */
  readonly calls: Calls;
  readonly callDefaults: CallDefaults;
  readonly pictures: PublishedPictures;
  readonly keys: Keys;
  /** Makes the record that callers see. Its URLs are signed where pictures are private. */
  readonly toRecord: ToRecord;
  /** Verifies signed URLs; null when pictures are public. */
  readonly links: SignedLinks | null;
  readonly metrics: Metrics;
  readonly checks: HealthChecks;
  /** Answers agents at `/mcp`; absent where there is no such route. */
  readonly mcp?: AnswerMcp;
  /** Count requests over all processes, where there are several; each counts its own by default. */
  readonly requestCounters?: RequestCounters | null;
  readonly tracer: Tracer;
  readonly clock: Clock;
  /** True once the service has begun to stop. */
  readonly stopping: () => boolean;
  /** True when a job could call some provider now. */
  readonly providerUsable: () => boolean;
  readonly logger: FastifyBaseLogger;
}

/** Parts that no setting changes. */
export interface AppOverrides {
  readonly timeouts: Timeouts;
  readonly watchLoad: typeof watchLoad;
  /** Most connections at once; infinitely many by default. */
  readonly maxConnections: number;
  /** The folder of the page's files, with a slash at its end. */
  readonly pageFolder: URL;
}

/** Builds the HTTP side: hooks for every request first, then the API, then the pictures. It does not listen yet. */
export async function buildApp(
  config: AppConfig,
  services: AppServices,
  overrides: Partial<AppOverrides> = {},
): Promise<FastifyInstance> {
  const { version, publicUrl, syncWaitSeconds, mediaCacheBytes, trustProxy, rateLimits } = config;
  const {
    images,
    calls,
    callDefaults,
    pictures,
    keys,
    toRecord,
    links,
    metrics,
    checks,
    tracer,
    clock,
    stopping,
    providerUsable,
    logger,
  } = services;
  const { timeouts = DEFAULT_TIMEOUTS, maxConnections = Number.POSITIVE_INFINITY } = overrides;

  const hot = createHotFiles(pictures, mediaCacheBytes);
  const repeated = createRepeatedAnswers({ pictures, hot, count: metrics.countRequest });
  // Private pictures and limits need to know who asks.
  const mayRepeat = config.answersCallers && links === null && rateLimits.media === null;
  const app = createServer({
    logger,
    answerFirst: repeated.answer,
    requestId,
    answerUnrouted: (error, request, reply) => {
      observeRequest(request, reply, metrics.countRequest, NO_TRACING);
      (request.url.startsWith('/v1/') ? handleOpenAiError : handleError)(error, request, reply);
    },
    timeouts,
    trustProxy,
  });
  const methodsOf = trackMethods(app, MAX_PARAM_LENGTH);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  traceRequests(app, tracer);
  observeRequests(app, metrics.countRequest, tracer);
  handleErrors(app, publicUrl);
  requireHost(app);
  ignoreRangeOfHead(app);
  readJsonBodies(app);
  const inHand = createBytesInHand(config.inputMemoryBytes);
  readMultipartBodies(app, inHand);
  countJsonPictures(app, inHand);
  const isStopping = refuseWorkWhileStopping(app, stopping);
  const connections = trackConnections(app);
  boundConnections(app, connections, maxConnections);
  endConnections(app, connections, timeouts);
  await allowOrigins(app, config.corsOrigins);
  decorateCaller(app);
  const local = createLocalCounters(clock);
  const shared = services.requestCounters ?? null;
  await prepareRateLimits(app, shared === null ? local : withLocalFallback(shared, local, clock, logger));
  await documentRoutes(app, version, publicUrl);

  const identify = callerOf;
  const limiter = createRateLimiter(app, rateLimits);
  const isOverloaded = (overrides.watchLoad ?? watchLoad)(app);
  const authenticated: FastifyPluginAsync = async (scope) => {
    requireKeys(scope, keys);
    limiter.guard(scope);
    await scope.register(runRoutes, { images, identify, toRecord, publicUrl, syncWaitSeconds, isOverloaded });
    await scope.register(imageRoutes, { images, identify, toRecord, areUrlsSigned: links !== null });
    await scope.register(eventRoutes, { images, identify, clock });
    await scope.register(feedRoutes, { images, identify, isStillKnown: createStillKnown(keys), clock });
    await scope.register(provenanceRoutes, { images, identify });
    await scope.register(deliveryRoutes, { images, identify });
    await scope.register(presetRoutes, { images });
    await scope.register(modelRoutes, { images });
    await scope.register(cleanupRoutes, { images });
    await scope.register(operationsRoutes, { images });
    await scope.register(usageRoutes, { images, identify });
    await scope.register(whoamiRoutes, { keys, identify });
  };
  const openAi: FastifyPluginAsync = async (scope) => {
    handleOpenAiErrors(scope);
    await scope.register(async (routes) => {
      requireKeys(routes, keys);
      limiter.guard(routes);
      const { openAiWaitSeconds, generationTimeoutSeconds } = config;
      const waits = { openAiWaitSeconds, generationTimeoutSeconds };
      const shared = { calls, pictures, toRecord, identify };
      const parts = { ...shared, images, callDefaults, limiter, isOverloaded, clock, publicUrl };
      await routes.register(openAiRoutes, { ...parts, ...waits });
      await routes.register(taskRoutes, shared);
    });
  };
  const monitoring: FastifyPluginAsync = async (scope) => {
    guardMetrics(scope, keys, config.metricsAccess);
    await scope.register(metricsRoutes, { metrics });
  };
  const documentation: FastifyPluginAsync = async (scope) => {
    guardPages(scope, keys, config.docsAccess);
    await scope.register(docsRoutes);
  };
  const mediaDelivery = config.mediaDelivery ?? 'stream';
  const policy = createPagePolicy(pictures, mediaDelivery, logger);
  const api: FastifyPluginAsync = async (scope) => {
    await secureHeaders(scope);
    handleUnknownRoutes(scope, methodsOf);
    pauseSocketTimeout(scope, timeouts);
    const health = createHealth({ checks, clock, stopping, providerUsable });
    await scope.register(healthRoutes, { health, version });
    await scope.register(monitoring);
    if (!config.answersCallers) return;
    if (config.page) await scope.register(pageRoutes, { page: createPage(overrides.pageFolder), policy });
    await scope.register(authenticated);
    await scope.register(openAi, { prefix: '/v1' });
    const { mcp: answer } = services;
    if (answer) await scope.register(mcpRoutes, { answer, keys, limiter, publicUrl, corsOrigins: config.corsOrigins });
    await scope.register(documentation);
  };
  const media: FastifyPluginAsync = async (scope) => {
    securePictures(scope);
    limiter.guard(scope);
    const access = links && privateAccess(keys, links);
    const redirect = createRedirect(pictures, mediaDelivery);
    await scope.register(mediaRoutes, { pictures, hot, repeated: mayRepeat ? repeated : null, redirect, access });
  };
  await app.register(api);
  if (config.answersCallers) await app.register(media);
  if (mayRepeat) repeated.open({ log: app.log, noteRequest: connections.noteRequest, stopping: isStopping });
  return app;
}
