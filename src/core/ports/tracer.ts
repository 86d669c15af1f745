/** Traces the work as spans. Raises nothing of its own. */
export interface Tracer {
  /**
   * Runs `work` inside a span, at once, and settles as it does; the span ends with it, in error where it rejects. All calls that `work`
   * makes belong to the span, later ones included.
   */
  span<T>(description: SpanDescription, work: () => Promise<T>): Promise<T>;
  /** Adds attributes to the current span. */
  annotate(attributes: SpanAttributes): void;
  /** Marks the current span as failed although its work does not reject. */
  fail(error: unknown): void;
  /** The current span as a W3C `traceparent`, to be sent or stored; null outside of any. https://www.w3.org/TR/trace-context/ */
  traceparent(): string | null;
}

export interface SpanDescription {
  readonly name: string;
  /** Absent: work inside the service. */
  readonly kind?: 'server' | 'client' | 'consumer';
  readonly attributes?: SpanAttributes;
  /** The `traceparent` to continue; null to begin a new trace. Absent: the current span. */
  readonly parent?: string | null;
}

/** Named by OpenTelemetry's semantic conventions, or `easel.…` where they have no name. Null attributes are left out. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | null>>;

/** No-op tracer. */
export const NO_TRACING: Tracer = {
  span: (_description, work) => work(),
  annotate() {},
  fail() {},
  traceparent: () => null,
};
