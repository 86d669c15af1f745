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
import { ImageError, ProviderError } from '../../core/domain/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { SpanAttributes, SpanDescription, Tracer } from '../../core/ports/tracer.ts';

export interface OtelTracingOptions {
  /** The collector's URL, as OTEL_EXPORTER_OTLP_ENDPOINT has it: the path of the signal is appended. */
  readonly endpoint: string;
  readonly version: string;
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface OtelTracing {
  readonly tracer: Tracer;
  /** The logger it was given, its lines bearing the ids of the span they are written in. */
  readonly logger: Logger;
  /** Sends what is left, for a second at most. */
  close(): Promise<void>;
}

/** For one batch, repeats included. */
const EXPORT_TIMEOUT_MS = 5_000;
/** A collector that is away must not use up the time that a shutdown has. */
const FLUSH_TIMEOUT_MS = 1_000;
const LOG_INTERVAL_MS = 60_000;

/**
 * Tracing by OpenTelemetry's SDK, sent as OTLP over HTTP in batches, beside the work. A collector that cannot be reached
 * costs the spans that do not fit into the SDK's buffer, and a line in the log a minute. Whether a trace that a caller began
 * is recorded is the caller's choice (the sampled flag of its `traceparent`); others are. Nothing is registered globally,
 * so several services can stand in one process.
 */
export function createOtelTracing({ endpoint, version, logger, clock }: OtelTracingOptions): OtelTracing {
  const exporter = new OTLPTraceExporter({ url: tracesUrl(endpoint), timeoutMillis: EXPORT_TIMEOUT_MS });
  const provider = new TracerProvider({
    resource: defaultResource().merge(resourceFromAttributes({ 'service.name': 'easel', 'service.version': version })),
    spanProcessors: [new BatchSpanProcessor({ exporter: logExportFailures(exporter, logger, clock) })],
  });
  const spans = provider.getTracer('easel', version);
  const activeSpan = new AsyncLocalStorage<Span>();

  const tracer: Tracer = {
    async span({ name, kind, attributes = {}, parent }, work) {
      const from = parent === undefined ? activeSpan.getStore()?.spanContext() : contextOf(parent);
      const options = { kind: kindOf(kind), attributes: withoutNulls(attributes) };
      const span = spans.startSpan(name, options, contextWithParent(from));
      try {
        return await activeSpan.run(span, work);
      } catch (error) {
        fail(span, error);
        throw error;
      } finally {
        span.end();
      }
    },
    annotate: (attributes) => void activeSpan.getStore()?.setAttributes(withoutNulls(attributes)),
    fail(error) {
      const span = activeSpan.getStore();
      if (span) fail(span, error);
    },
    traceparent() {
      const context = activeSpan.getStore()?.spanContext();
      return context ? `00-${context.traceId}-${context.spanId}-${flags(context)}` : null;
    },
  };

  /** By the names that OpenTelemetry gives them in logs: https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/ */
  function addTraceIds(line: object): object {
    const context = activeSpan.getStore()?.spanContext();
    if (!context) return line;
    return { trace_id: context.traceId, span_id: context.spanId, trace_flags: flags(context), ...line };
  }

  return {
    tracer,
    logger: logger.child({}, { formatters: { log: addTraceIds } }),
    async close() {
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, FLUSH_TIMEOUT_MS);
      // What goes wrong on the way to the collector was logged already.
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
      clearTimeout(timer);
    },
  };
}

/** https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp */
function tracesUrl(endpoint: string): string {
  return `${endpoint.replace(/\/+$/, '')}/v1/traces`;
}

/** An exporter whose failures are told here, seldom, in place of the SDK's own way, which is for the whole process. */
function logExportFailures(exporter: SpanExporter, logger: Logger, clock: Clock): SpanExporter {
  let quietUntil = Number.NEGATIVE_INFINITY;
  return {
    export(batch, done) {
      exporter.export(batch, ({ code, error }: ExportResult) => {
        if (code !== ExportResultCode.SUCCESS && clock.now() >= quietUntil) {
          quietUntil = clock.now() + LOG_INTERVAL_MS;
          logger.warn({ reason: error?.message, spans: batch.length }, 'traces could not be sent and are lost');
        }
        done({ code: ExportResultCode.SUCCESS });
      });
    },
    shutdown: () => exporter.shutdown(),
  };
}

/** Null for one that is not to be had, or not to be understood: then a trace begins. */
function contextOf(traceparent: string | null): SpanContext | null {
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

function withoutNulls(attributes: SpanAttributes): Attributes {
  const values: Attributes = {};
  for (const [name, value] of Object.entries(attributes)) if (value !== null) values[name] = value;
  return values;
}

function flags({ traceFlags }: SpanContext): string {
  return traceFlags.toString(16).padStart(2, '0');
}

function fail(span: Span, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
  span.setAttribute('error.type', errorType(error));
}

/** From a short list, as the conventions have it. */
function errorType(error: unknown): string {
  if (error instanceof ProviderError) return error.fault;
  if (error instanceof ImageError) return error.code;
  return error instanceof Error ? error.name : '_OTHER';
}
