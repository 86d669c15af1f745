import OpenAI, { AzureOpenAI, type ClientOptions } from 'openai';
import type { Transport } from '../transport.ts';
import { toOpenAIError } from './answers/error-body.ts';

/** Where the server is. */
export interface ConnectionSettings {
  /** The name in `PROVIDERS`. Headers in OPENAI_CUSTOM_HEADERS, which the SDK reads, are sent to `openai` alone. */
  readonly name: string;
  /** Null for a server that requires no key. */
  readonly apiKey: string | null;
  /** Null for OpenAI's own API; with `azureApiVersion`, the endpoint of the Azure resource. */
  readonly baseURL: string | null;
  /** Set for Azure OpenAI, whose paths, key header and versions differ; there, a model's id is the name of the deployment. */
  readonly azureApiVersion: string | null;
}

interface ConnectionOptions extends ConnectionSettings {
  readonly transport: Pick<Transport, 'fetch'>;
}

/** The longest delay that a timer takes, 24 days: the SDK's own time limit is not to end a call. */
const NEVER_MS = 2 ** 31 - 1;

/** The official SDK's client, with its retries, time limit and logging switched off. Error responses reach it in OpenAI's shape. */
export function createClient(options: ConnectionOptions): OpenAI {
  if (options.name === 'openai') return openClient(options);
  return withoutVariable('OPENAI_CUSTOM_HEADERS', () => openClient(options));
}

function openClient({ apiKey, baseURL, azureApiVersion, transport }: ConnectionOptions): OpenAI {
  const shared = {
    // The SDK requires a key and always sends it.
    apiKey: apiKey ?? 'none',
    maxRetries: 0,
    timeout: NEVER_MS,
    fetch: withResponse(async (input, init) => toOpenAIError(await transport.fetch(input, init))),
    // Redirects are not followed: they would send the prompt, and perhaps the key, to an address that is not configured.
    fetchOptions: { redirect: 'manual' },
    // Null keeps the SDK from sending OPENAI_ORG_ID and OPENAI_PROJECT_ID to servers other than OpenAI's.
    ...(baseURL !== null && { organization: null, project: null }),
    logLevel: 'off',
  } as const satisfies ClientOptions;
  if (azureApiVersion === null) return new OpenAI({ ...shared, baseURL });
  // The empty base URL keeps the SDK from reading OPENAI_BASE_URL; `endpoint` is the one that is used.
  return new AzureOpenAI({ ...shared, baseURL: '', endpoint: baseURL ?? '', apiVersion: azureApiVersion });
}

/** The SDK asks a `fetch` without this property whether it takes forms, by a request to the address `data:,`. */
function withResponse(fetch: typeof globalThis.fetch): typeof globalThis.fetch {
  return Object.assign(fetch, { Response });
}

/**
 * Runs `work`, which is synchronous, without an environment variable. The SDK has no option that keeps it from reading this one, and
 * headers often are keys of a gateway: another provider is not to see them.
 */
function withoutVariable<T>(name: string, work: () => T): T {
  const value = process.env[name];
  delete process.env[name];
  try {
    return work();
  } finally {
    if (value !== undefined) process.env[name] = value;
  }
}
