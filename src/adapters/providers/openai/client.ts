import OpenAI, { AzureOpenAI, type ClientOptions } from 'openai';
import type { Transport } from '../transport.ts';
import { toOpenAIError } from './error-body.ts';
import { decodeInlinePictures } from './inline-pictures.ts';

/** Where the server is and how requests reach it. */
export interface ConnectionOptions {
  /** Null for a server that requires no key. */
  readonly apiKey: string | null;
  /** Null for OpenAI's own API; with `azureApiVersion`, the endpoint of the Azure resource. */
  readonly baseURL: string | null;
  /** Set for Azure OpenAI, whose paths, key header and versions differ; there, a model's id is the name of the deployment. */
  readonly azureApiVersion: string | null;
  /** Time limit of one call in milliseconds, from the first byte sent to the last byte received. */
  readonly timeoutMs: number;
  readonly transport: Transport;
}

/**
 * The official SDK's client, with its retries and logging switched off. Error responses reach it in OpenAI's shape, and
 * inline pictures are decoded before it parses the JSON.
 */
export function createClient({ apiKey, baseURL, azureApiVersion, timeoutMs, transport }: ConnectionOptions): OpenAI {
  const shared = {
    // The SDK requires a key and always sends it.
    apiKey: apiKey ?? 'none',
    maxRetries: 0,
    timeout: timeoutMs,
    fetch: async (input, init) => decodeInlinePictures(await toOpenAIError(await transport.fetch(input, init))),
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
