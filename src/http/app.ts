import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify';
import { serializerCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import type { MediaUrls } from '../core/domain/record.ts';
import type { Images } from '../core/images/images.ts';
import type { PublishedPictures } from '../core/images/published-file.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Metrics } from '../core/ports/telemetry.ts';
import { NO_TRACING, type Tracer } from '../core/ports/tracer.ts';
import type { Access, Keys } from '../security/api-keys.ts';
import type { SignedLinks } from '../security/signed-links.ts';
import { callerOf, decorateCaller, requireAdmin, requireKeys } from './access/auth.ts';
import { limitRates, prepareRateLimits, type RateLimits } from './access/rate-limit.ts';
import { allowOrigins, secureHeaders, securePictures } from './access/security-headers.ts';
import { handleClientError, requireHost } from './connections/broken-request.ts';
import { watchLoad } from './connections/overload.ts';
import { destroyInactiveConnections, refuseWorkWhileStopping } from './connections/stopping.ts';
import { DEFAULT_TIMEOUTS, pauseSocketTimeout, type Timeouts } from './connections/timeouts.ts';
import { privateAccess } from './media/access.ts';
import { createHealth, type HealthChecks } from './monitoring/health.ts';
import { observeRequest, requestId } from './monitoring/request-log.ts';
import { traceRequests } from './monitoring/tracing.ts';
import { documentRoutes } from './openapi/document.ts';
import { handleError, handleErrors, handleUnknownRoutes } from './protocol/problem.ts';
import { readJsonBodies, validatorCompiler } from './protocol/validation.ts';
import { cleanupRoutes } from './routes/cleanup.ts';
import { deliveryRoutes } from './routes/deliveries.ts';
import { docsRoutes } from './routes/docs.ts';
import { eventRoutes } from './routes/events.ts';
import { healthRoutes } from './routes/health.ts';
import { imageRoutes } from './routes/images.ts';
import { mediaRoutes } from './routes/media.ts';
import { metricsRoutes } from './routes/metrics.ts';
import { presetRoutes } from './routes/presets.ts';
import { provenanceRoutes } from './routes/provenance.ts';
import { usageRoutes } from './routes/usage.ts';

/** What the HTTP side takes of the configuration, and what is no setting. */
export interface AppConfig {
  /** Of Easel, as health and the OpenAPI document say it. */
  readonly version: string;
  /** Longest that `POST /images` waits for the end of a picture. */
  readonly syncWaitSeconds: number;
  /** Room for popular pictures in memory, in bytes. */
  readonly mediaCacheBytes: number;
  /** Whose `X-Forwarded-*` headers to believe, as Fastify's option of that name takes it. */
  readonly trustProxy: boolean | string;
  readonly metricsAccess: Access;
  readonly docsAccess: Access;
  readonly rateLimits: RateLimits;
  /** Web pages that may call from browsers. */
  readonly corsOrigins: readonly string[];
  /** How long clients may take; `PATIENCE` by default. */
  readonly timeouts?: Timeouts;
  /** Watches whether the process has more to do than it can; by default the function of this name. */
  readonly watchLoad?: typeof watchLoad;
}

/** What the HTTP side works with. */
export interface AppServices {
  readonly images: Images;
  readonly pictures: PublishedPictures;
  readonly keys: Keys;
  /** Where pictures are, for those who may fetch them. */
  readonly urls: MediaUrls;
  /** Knows signed URLs again; null where everyone may fetch pictures. */
  readonly links: SignedLinks | null;
  readonly metrics: Metrics;
  readonly checks: HealthChecks;
  readonly tracer: Tracer;
  readonly clock: Clock;
  /** Whether the order to stop has come. */
  readonly stopping: () => boolean;
  /** Whether a job could call some provider now. */
  readonly providerUsable: () => boolean;
  readonly logger: FastifyBaseLogger;
}

/** 1 MiB: a prompt of the longest kind, and 16 metadata pairs, many times over. */
const BODY_LIMIT = 1024 * 1024;
/** The longest name of a picture is some 150 characters; Fastify's own limit of 100 would hide legal ones. */
const MAX_PARAM_LENGTH = 512;

/** The HTTP side, whole but not listening yet. */
export async function buildApp(config: AppConfig, services: AppServices): Promise<FastifyInstance> {
  const { images, pictures, keys, urls, links, metrics, checks, tracer, clock, stopping, providerUsable, logger } =
    services;
  const { version, syncWaitSeconds, mediaCacheBytes, trustProxy, rateLimits, timeouts = DEFAULT_TIMEOUTS } = config;
  const health = createHealth({ checks, clock, version, stopping, providerUsable });

  const app = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    // A logger for each request, to bear its id in all of its lines, is a sixth of what a 304 costs; its line says the id itself.
    childLoggerFactory: (parent) => parent,
    genReqId: requestId,
    trustProxy,
    bodyLimit: BODY_LIMIT,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    http: {
      headersTimeout: timeouts.headersMs,
      connectionsCheckingInterval: timeouts.checkIntervalMs,
      // `requireHost` does, and answers as a problem.
      requireHostHeader: false,
    },
    requestTimeout: timeouts.requestMs,
    connectionTimeout: timeouts.stalledMs,
    keepAliveTimeout: timeouts.idleMs,
    // `refuseWorkWhile` answers as a problem, and goes on serving pictures and health.
    return503OnClosing: false,
    clientErrorHandler: handleClientError,
    // Paths that cannot be routed: they pass by every hook.
    frameworkErrors: (error, request, reply) => {
      observeRequest(request, reply, metrics.countRequest, NO_TRACING);
      handleError(error, request, reply);
    },
  }).withTypeProvider<ZodTypeProvider>();

  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  traceRequests(app, tracer);
  app.addHook('onRequest', (request, reply, done) => {
    observeRequest(request, reply, metrics.countRequest, tracer);
    done();
  });
  handleErrors(app);
  requireHost(app);
  readJsonBodies(app);
  refuseWorkWhileStopping(stopping, app);
  destroyInactiveConnections(app, timeouts.drainIntervalMs);
  await allowOrigins(app, config.corsOrigins);
  decorateCaller(app);
  await prepareRateLimits(app);
  await documentRoutes(app, version);

  await app.register(async (scope) => {
    await secureHeaders(scope);
    handleUnknownRoutes(scope);
    pauseSocketTimeout(scope, timeouts);
    await scope.register(healthRoutes, { health });
    await scope.register(async (authenticated) => {
      requireKeys(authenticated, keys);
      limitRates(authenticated, rateLimits);
      const isOverloaded = await (config.watchLoad ?? watchLoad)(authenticated);
      await authenticated.register(imageRoutes, { images, identify: callerOf, urls, syncWaitSeconds, isOverloaded });
      await authenticated.register(eventRoutes, { images, identify: callerOf, clock });
      await authenticated.register(provenanceRoutes, { images, identify: callerOf });
      await authenticated.register(deliveryRoutes, { images, identify: callerOf });
      await authenticated.register(presetRoutes, { images });
      await authenticated.register(cleanupRoutes, { images });
      await authenticated.register(usageRoutes, { images, identify: callerOf });
    });
    await scope.register(async (adminOnly) => {
      requireAdmin(adminOnly, keys, config.metricsAccess);
      await adminOnly.register(metricsRoutes, { metrics });
    });
    await scope.register(async (forAdmins) => {
      requireAdmin(forAdmins, keys, config.docsAccess);
      await forAdmins.register(docsRoutes);
    });
  });
  await app.register(async (scope) => {
    securePictures(scope);
    limitRates(scope, rateLimits);
    await scope.register(mediaRoutes, {
      pictures,
      cacheBytes: mediaCacheBytes,
      access: links && privateAccess(keys, links),
    });
  });
  return app;
}
