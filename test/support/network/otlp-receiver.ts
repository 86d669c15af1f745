/**
 * A trace collector: receives OTLP over HTTP (JSON) on loopback and keeps the spans.
 * See https://opentelemetry.io/docs/specs/otlp/#otlphttp.
 */

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';

const value = z.union([
  z.object({ stringValue: z.string() }).transform(({ stringValue }) => stringValue),
  z.object({ boolValue: z.boolean() }).transform(({ boolValue }) => boolValue),
  z.object({ intValue: z.coerce.number() }).transform(({ intValue }) => intValue),
  z.object({ doubleValue: z.number() }).transform(({ doubleValue }) => doubleValue),
  z.object({ arrayValue: z.unknown() }).transform(() => null),
]);
const attributes = z
  .array(z.object({ key: z.string(), value }))
  .transform((list) => Object.fromEntries(list.map(({ key, value }) => [key, value])));
const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
const span = z.object({
  traceId: z.string().regex(/^[0-9a-f]{32}$/),
  spanId: z.string().regex(/^[0-9a-f]{16}$/),
  parentSpanId: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional(),
  name: z.string(),
  kind: z.number().transform((kind) => KINDS[kind]),
  attributes,
  status: z.object({ code: z.number().optional(), message: z.string().optional() }),
});
const request = z.object({
  resourceSpans: z.array(
    z.object({ resource: z.object({ attributes }), scopeSpans: z.array(z.object({ spans: z.array(span) })) }),
  ),
});

export type ReceivedSpan = z.output<typeof span> & { readonly service: unknown; readonly instance: unknown };

export interface OtlpReceiver extends AsyncDisposable {
  /** The value for OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly endpoint: string;
  /** How many batches were received. */
  readonly requests: number;
  /** In the order of arrival, which is the order in which they ended. */
  readonly spans: readonly ReceivedSpan[];
  /** The one span of that name; raises where there is none, or more. */
  span(name: string): ReceivedSpan;
}

/** Starts a collector. With a `status` other than 200 it refuses everything; with null it reads every request and never answers. */
export async function startOtlpReceiver({
  status = 200,
}: {
  readonly status?: number | null;
} = {}): Promise<OtlpReceiver> {
  let requests = 0;
  const spans: ReceivedSpan[] = [];
  const server = createServer(async (incoming, outgoing) => {
    const body = await bodyOf(incoming);
    requests += 1;
    if (status === null) return;
    if (status !== 200) return outgoing.writeHead(status).end();
    if (incoming.method !== 'POST' || incoming.url !== '/v1/traces') return outgoing.writeHead(404).end();
    for (const { resource, scopeSpans } of request.parse(JSON.parse(body)).resourceSpans) {
      const { 'service.name': service, 'service.instance.id': instance } = resource.attributes;
      spans.push(...scopeSpans.flatMap((scope) => scope.spans.map((one) => ({ ...one, service, instance }))));
    }
    return outgoing.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get requests() {
      return requests;
    },
    spans,
    span(name) {
      const named = spans.filter((one) => one.name === name);
      if (named.length === 1 && named[0]) return named[0];
      throw new Error(`${named.length} spans are named ${name}; there are: ${spans.map((one) => one.name).join(', ')}`);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
