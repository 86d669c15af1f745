import type { CallToolResult } from '@modelcontextprotocol/server';
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
import { createCallMemory } from './call-memory.ts';
import { createMcpServer, type ServerParts } from './server.ts';

/** A connection of MCP over standard input and output. */
export interface StdioConnection {
  /** Resolves when the client has closed it. */
  readonly closed: Promise<void>;
  /** Answers every call as things stand. */
  endCalls(): Promise<void>;
  close(): Promise<void>;
}

type StdioParts = Omit<ServerParts, 'caller' | 'memory' | 'takenPictures' | 'ending' | 'onCall'> & {
  /** Notes a message that was refused. */
  readonly onRefused: (error: Error) => void;
};

/** Longest message, in bytes: 32 MiB of pictures as data URLs, and the words around them. */
const MESSAGE_BYTES = 33 * 1024 * 1024;

/** Serves one client over standard input and output, in the era of the protocol that it begins with. */
export function serveOverStdio({ onRefused, ...parts }: StdioParts): StdioConnection {
  const ending = new AbortController();
  const calls = new Set<Promise<CallToolResult>>();
  const memory = createCallMemory();
  const transport = new StdioServerTransport(process.stdin, process.stdout, { maxBufferSize: MESSAGE_BYTES });
  const server = () =>
    createMcpServer({
      ...parts,
      caller: 'stdio',
      memory,
      takenPictures: new Map(),
      ending: ending.signal,
      onCall(call) {
        calls.add(call);
        void call.finally(() => calls.delete(call));
      },
    });
  const connection = serveStdio(server, { transport, onerror: onRefused, maxSubscriptions: 0 });
  const closed = Promise.withResolvers<void>();
  const { onclose } = transport;
  transport.onclose = () => {
    onclose?.();
    closed.resolve();
  };
  return {
    closed: closed.promise,
    async endCalls() {
      ending.abort();
      await Promise.allSettled(calls);
    },
    close: () => connection.close(),
  };
}
