/** Agents of tests: the SDK's own client, of either era of the protocol. */

import { type CallToolResult, Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

/** The era of the handshake, and the one without. */
export const ERAS = ['2025-11-25', '2026-07-28'] as const;
export type Era = (typeof ERAS)[number];

/** An SDK client that speaks this era alone, not yet connected. */
export function createAgent(era: Era): Client {
  const mode = era === '2025-11-25' ? 'legacy' : { pin: era };
  return new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
}

export interface Agent extends AsyncDisposable {
  readonly client: Client;
  /** Every HTTP status that was answered, in order. */
  readonly statuses: number[];
  call(name: string, args?: Record<string, unknown>, options?: CallOptions): Promise<CallToolResult>;
}

type CallOptions = Parameters<Client['callTool']>[1];

/** Connects to the service at `url`, with the key of this name. */
export async function connectAgent(
  url: string,
  era: Era,
  headers: Readonly<Record<string, string>> = {},
): Promise<Agent> {
  const client = createAgent(era);
  const statuses: number[] = [];
  const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp`), {
    requestInit: { headers },
    async fetch(input, init) {
      const response = await fetch(input, init);
      statuses.push(response.status);
      return response;
    },
  });
  await client.connect(transport);
  return {
    client,
    statuses,
    call: async (name, args = {}, options = {}) => await client.callTool({ name, arguments: args }, options),
    [Symbol.asyncDispose]: async () => await client.close(),
  };
}

/** The parts of an answer's content of one kind. */
export function partsOf<Type extends CallToolResult['content'][number]['type']>(
  { content }: CallToolResult,
  type: Type,
): Extract<CallToolResult['content'][number], { type: Type }>[] {
  return content.filter((part) => part.type === type) as Extract<CallToolResult['content'][number], { type: Type }>[];
}

/** The words of an answer. */
export function textOf(answer: CallToolResult): string {
  return partsOf(answer, 'text')
    .map(({ text }) => text)
    .join('\n');
}

/** The code of the problem that an answer bears; undefined where it bears none. */
export function codeOf({ structuredContent }: CallToolResult): unknown {
  return (structuredContent as { readonly code?: unknown } | undefined)?.code;
}
