/**
 * Spans and attributes of an image's jobs. Names are those of OpenTelemetry's semantic conventions where they have one:
 * https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
 */

import type { ProviderError } from '../domain/errors.ts';
import type { Attempt, Image } from '../domain/image.ts';
import type { GeneratedPicture } from '../ports/provider.ts';
import type { SpanAttributes, SpanDescription } from '../ports/tracer.ts';

/** The span of one job of an image. It continues the trace of the request, also in a later process. */
export function jobSpan({ mediaId, run, traceparent = null }: Image, name: 'job' | 'deferred'): SpanDescription {
  return { name, kind: 'consumer', parent: traceparent, attributes: { 'easel.media_id': mediaId, 'easel.run': run } };
}

/** The state of the job's image at its end. */
export function imageAttributes({ status, attempts, omitted, cost }: Image): SpanAttributes {
  return {
    'easel.status': status,
    'easel.attempts': attempts.length + (omitted?.count ?? 0),
    'easel.cost.usd': cost.usd,
  };
}

/** The nearest operation of the conventions: it stands for content of any kind, here a picture. */
const OPERATION = 'generate_content';

/** Providers whose name in the conventions is not the one in the settings. */
const PROVIDER_NAMES: ReadonlyMap<string, string> = new Map([['azure', 'azure.ai.openai']]);

/** The span of one call to a provider. The prompt is left out, as it may be confidential. */
export function attemptSpan({ id, run, provider, model }: Attempt): SpanDescription {
  return {
    name: `${OPERATION} ${model}`,
    kind: 'client',
    attributes: {
      'gen_ai.operation.name': OPERATION,
      'gen_ai.provider.name': PROVIDER_NAMES.get(provider) ?? provider,
      'gen_ai.request.model': model,
      'gen_ai.output.type': 'image',
      'easel.provider': provider,
      'easel.attempt.id': id,
      'easel.run': run,
    },
  };
}

/** The end of a call that brought a picture. */
export function pictureAttributes(picture: GeneratedPicture): SpanAttributes {
  const { usage, bytes } = picture;
  return {
    ...answerAttributes(picture),
    'easel.attempt.outcome': 'ok',
    'easel.picture.bytes': bytes.byteLength,
    'gen_ai.usage.input_tokens': usage === null ? null : usage.textInput + usage.imageInput,
    'gen_ai.usage.cache_read.input_tokens': usage?.cachedInput ?? null,
    'gen_ai.usage.output_tokens': usage?.output ?? null,
  };
}

/** The end of a call that brought none. */
export function failureAttributes(failure: ProviderError): SpanAttributes {
  return { ...answerAttributes(failure), 'easel.attempt.outcome': failure.outcome };
}

function answerAttributes(answer: Pick<GeneratedPicture, 'httpStatus' | 'providerRequestId'>): SpanAttributes {
  return {
    'http.response.status_code': answer.httpStatus,
    'easel.provider.request_id': answer.providerRequestId,
  };
}
