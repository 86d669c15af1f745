/**
 * A process that makes one call and prints what it brought: the number of bytes, or the fault.
 *
 *     node test/support/openai/one-call.ts <base URL> <key> <milliseconds that the call may take>
 */

import { createTransport } from '../../../src/adapters/providers/transport.ts';
import { ProviderError } from '../../../src/core/domain/errors.ts';
import { createGuardedFetch } from '../../../src/security/ssrf-guard.ts';
import { callOptions, pictureIn } from '../generation.ts';
import { CALL, MAX_BYTES, openAIProvider } from './adapter.ts';

const [baseURL = '', apiKey = '', timeoutMs] = process.argv.slice(2);
const transport = createTransport({ maxResponseBytes: MAX_BYTES });
const guard = createGuardedFetch({ allow: [] });
const provider = openAIProvider({
  name: 'openai',
  apiKey,
  baseURL,
  azureApiVersion: null,
  model: () => CALL.model,
  omit: [],
  edits: true,
  streaming: true,
  controlSequences: [],
  timeoutMs: Number(timeoutMs),
  transport,
  guard,
  maxPictureBytes: MAX_BYTES,
  maskSecrets: (text) => text,
  logPrompts: false,
  clock: { now: Date.now, monotonic: () => 0 },
});

const brought = await provider.generate(CALL, callOptions()).then(
  (answer) => `${pictureIn(answer).bytes.length} bytes`,
  (error: unknown) => (error instanceof ProviderError ? error.fault : String(error)),
);
process.stdout.write(`${brought}\n`);
await transport.close();
await guard.close();
