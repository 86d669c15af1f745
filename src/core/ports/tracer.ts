/** By the names of OpenTelemetry's semantic conventions, or `easel.…` where they have none. What is null is left out. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | null>>;

export interface SpanDescription {
  readonly name: string;
  /** Absent: work that stays inside the service. */
  readonly kind?: 'server' | 'client' | 'consumer';
  readonly attributes?: SpanAttributes;
  /** The `traceparent` to go on from; null for a trace of its own. Absent: the span around it. */
  readonly parent?: string | null;
}

/** Tells how long which part of the work took, and what led to it. Never raises by itself. */
export interface Tracer {
  /**
   * Does `work`, begun at once, inside a span that ends with it: in error where it rejects. Whatever `work` calls is
   * inside the span too, however late.
   */
  span<T>(description: SpanDescription, work: () => Promise<T>): Promise<T>;
  /** Adds what has become known to the span around. */
  annotate(attributes: SpanAttributes): void;
  /** Has the span around end in error although its work does not reject. */
  fail(error: unknown): void;
  /** The span around as a W3C `traceparent`, to be sent or kept; null outside of any. https://www.w3.org/TR/trace-context/ */
  traceparent(): string | null;
}

/** For when nobody collects traces. */
export const NO_TRACING: Tracer = {
  span: (_description, work) => work(),
  annotate() {},
  fail() {},
  traceparent: () => null,
};
