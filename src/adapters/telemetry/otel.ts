import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { type ExportResult, ExportResultCode, parseTraceParent } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Logger } from 'pino';
import { ImageError, ProviderError, reasonOf } from '../../core/domain/errors.ts';
import { keepOutsideText, type MaskSecrets } from '../../core/domain/text/outside-text.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { SpanAttributes, SpanDescription, Tracer } from '../../core/ports/tracer.ts';

interface OtelTracingOptions {
  /** The collector's base URL, as in OTEL_EXPORTER_OTLP_ENDPOINT; `/v1/traces` is appended. */
  readonly endpoint: string;
  readonly version: string;
  /** This process among the replicas of a service. */
  readonly instance: string;
  readonly logger: Logger;
  /** Applied to every text that is exported. */
  readonly maskSecrets: MaskSecrets;
  readonly clock: Clock;
}

interface OtelTracing {
  readonly tracer: Tracer;
  /** The given logger, which adds the trace and span id of the active span to its lines. */
  readonly logger: Logger;
  /** Flushes the buffered spans, for a second at most. Never rejects. */
  close(): Promise<void>;
}

/** For one batch, retries included. */
const EXPORT_TIMEOUT_MS = 5_000;
/** An unreachable collector must not use up the grace time of a shutdown. */
const FLUSH_TIMEOUT_MS = 1_000;
const LOG_INTERVAL_MS = 60_000;
/** What is kept of a collector's error, in characters. */
const MAX_REASON = 300;

/**
 * Tracing by OpenTelemetry's SDK, exported in the background as batches of OTLP over HTTP. An unreachable collector costs the spans
 * that do not fit into the SDK's buffer, and at most one log line a minute. The sampled flag of a caller's `traceparent` decides
 * whether its trace is recorded; traces that begin here always are. Nothing is registered globally, so several services can run in
 * one process.
 */
export function createOtelTracing(options: OtelTracingOptions): OtelTracing {
  const { endpoint, version, instance, logger, maskSecrets, clock } = options;
  const exporter = new OTLPTraceExporter({ url: tracesUrl(endpoint), timeoutMillis: EXPORT_TIMEOUT_MS });
  const provider = new TracerProvider({
    resource: defaultResource().merge(
      resourceFromAttributes({
        'service.name': 'easel',
        'service.version': version,
        'service.instance.id': instance,
      }),
    ),
    spanProcessors: [new BatchSpanProcessor({ exporter: logExportFailures(exporter, logger, maskSecrets, clock) })],
  });
  const spans = provider.getTracer('easel', version);
  const activeSpan = new AsyncLocalStorage<Span>();

  const tracer: Tracer = {
    async span({ name, kind, attributes = {}, parent }, work) {
      const parentContext = parent === undefined ? activeSpan.getStore()?.spanContext() : parseParent(parent);
      const options = { kind: kindOf(kind), attributes: exported(attributes) };
      const span = spans.startSpan(maskSecrets(name), options, contextWithParent(parentContext));
      try {
        return await activeSpan.run(span, work);
      } catch (error) {
        fail(span, error);
        throw error;
      } finally {
        span.end();
      }
    },
    annotate: (attributes) => void activeSpan.getStore()?.setAttributes(exported(attributes)),
    fail(error) {
      const span = activeSpan.getStore();
      if (span) fail(span, error);
    },
    traceparent() {
      const context = activeSpan.getStore()?.spanContext();
      return context ? `00-${context.traceId}-${context.spanId}-${flags(context)}` : null;
    },
  };

  function exported(attributes: SpanAttributes): Attributes {
    const values: Attributes = {};
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null) values[name] = typeof value === 'string' ? maskSecrets(value) : value;
    }
    return values;
  }

  function fail(span: Span, error: unknown): void {
    const message = maskSecrets(error instanceof Error ? reasonOf(error) : String(error));
    span.setStatus({ code: SpanStatusCode.ERROR, message });
    span.setAttribute('error.type', errorType(error));
  }

  /** Uses OpenTelemetry's field names: https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/ */
  function addTraceIds(line: object): object {
    const context = activeSpan.getStore()?.spanContext();
    if (!context) return line;
    return { trace_id: context.traceId, span_id: context.spanId, trace_flags: flags(context), ...line };
  }

  return {
    tracer,
    logger: logger.child({}, { formatters: { log: addTraceIds } }),
    async close() {
      const { promise: timeout, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, FLUSH_TIMEOUT_MS);
      // Export failures are logged by `logExportFailures`.
      await Promise.race([provider.shutdown().catch(() => undefined), timeout]);
      clearTimeout(timer);
    },
  };
}

/** The traces URL below a base URL: https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp */
function tracesUrl(endpoint: string): string {
  return `${endpoint.replace(/(?<!\/)\/+$/, '')}/v1/traces`;
}

/** Logs export failures, at most once a minute, in place of the SDK's process-wide handler. */
function logExportFailures(
  exporter: SpanExporter,
  logger: Logger,
  maskSecrets: MaskSecrets,
  clock: Clock,
): SpanExporter {
  let quietUntil = Number.NEGATIVE_INFINITY;
  return {
    export(batch, done) {
      exporter.export(batch, ({ code, error }: ExportResult) => {
        if (code !== ExportResultCode.SUCCESS && clock.monotonic() >= quietUntil) {
          quietUntil = clock.monotonic() + LOG_INTERVAL_MS;
          const reason = keepOutsideText(error?.message ?? '', MAX_REASON, maskSecrets);
          logger.warn({ reason, spans: batch.length }, 'traces could not be exported and are lost');
        }
        done({ code: ExportResultCode.SUCCESS });
      });
    },
    shutdown: () => exporter.shutdown(),
  };
}

/** The parent's context; null where there is none or it is malformed: then a new trace begins. */
function parseParent(traceparent: string | null): SpanContext | null {
  return traceparent === null ? null : parseTraceParent(traceparent);
}

function contextWithParent(parent: SpanContext | null | undefined): Context {
  return parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT;
}

function kindOf(kind: SpanDescription['kind']): SpanKind {
  switch (kind) {
    case 'server':
      return SpanKind.SERVER;
    case 'client':
      return SpanKind.CLIENT;
    case 'consumer':
      return SpanKind.CONSUMER;
    default:
      return SpanKind.INTERNAL;
  }
}

function flags({ traceFlags }: SpanContext): string {
  return traceFlags.toString(16).padStart(2, '0');
}

/** A value of low cardinality, as the semantic conventions ask for `error.type`. */
function errorType(error: unknown): string {
  if (error instanceof ProviderError) return error.fault;
  if (error instanceof ImageError) return error.code;
  return error instanceof Error ? error.name : '_OTHER';
}
