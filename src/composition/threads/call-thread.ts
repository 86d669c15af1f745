/** The file of a thread on which provider calls are made. */

import { AsyncLocalStorage } from 'node:async_hooks';
import { workerData } from 'node:worker_threads';
import { createCallServer } from '../../adapters/providers/threads/call-server.ts';
import { threadWork } from '../../adapters/threads/thread-work.ts';
import { createSecretMask } from '../../security/secret-mask.ts';
import { openProviderCalls, type ProviderCallsData } from './provider-calls.ts';

const traces = new AsyncLocalStorage<string | null>();
const secrets = createSecretMask([]);
const { callsOf } = openProviderCalls({
  ...(workerData as ProviderCallsData),
  traceparent: () => traces.getStore() ?? null,
  maskSecrets: secrets.mask,
});

export default threadWork(createCallServer({ callsOf, learnSecrets: secrets.learn, traces }));
