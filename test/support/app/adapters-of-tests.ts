/**
 * What the services of tests use in place of threads of their own: a test file starts hundreds of services, and each thread that loads
 * the SDK or sharp anew takes most of a second. The same code runs; tests of threads and of processes start the real ones.
 */

import { createImagingThreads, type ImagingThreads } from '../../../src/adapters/imaging/threads.ts';
import type { OpenCalls } from '../../../src/composition/providers.ts';
import { openProviderCalls } from '../../../src/composition/threads/provider-calls.ts';
import { NO_TRACING } from '../../../src/core/ports/tracer.ts';
import { createSecretMask } from '../../../src/security/secret-mask.ts';

/** Makes the calls on the thread of the tests. */
export const callsHere: OpenCalls = ({ tracer, secrets, ...data }) => {
  const { mask, learn } = createSecretMask(secrets.known());
  secrets.onLearn(learn);
  return openProviderCalls({ ...data, traceparent: () => tracer.traceparent(), maskSecrets: mask });
};

const shared = new Map<string, ImagingThreads>();

/** Imaging on threads that services with the same settings share. Its threads end by themselves. */
export const sharedImaging: typeof createImagingThreads = (options) => {
  if (options.tracer !== NO_TRACING || options.signing !== null) return createImagingThreads(options);
  const settings = JSON.stringify({ ...options, tracer: null });
  const imaging = shared.get(settings) ?? createImagingThreads(options);
  shared.set(settings, imaging);
  return {
    finish: (read, spec) => imaging.finish(read, spec),
    finishDeferred: (read, spec, onFile) => imaging.finishDeferred(read, spec, onFile),
    thumbnail: (read, spec, sha256) => imaging.thumbnail(read, spec, sha256),
    inspect: (bytes) => imaging.inspect(bytes),
    close: async () => undefined,
  };
};
