import { Transform } from 'node:stream';
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
  const lines = process.stdin.pipe(wholeLines());
  const transport = new StdioServerTransport(lines, process.stdout, { maxBufferSize: MESSAGE_BYTES });
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
    // An input that is still read keeps the process alive.
    process.stdin.unpipe(lines).pause();
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

const LINE_FEED = 0x0a;

/**
 * Passes lines on whole. The SDK joins and searches what it has of a message anew at every 64 KiB that arrive: for a picture of 20 MB that
 * is gigabytes. Raises an error for a line that is too long.
 */
function wholeLines(): Transform {
  let parts: Buffer[] = [];
  let length = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      let rest = chunk;
      for (let end = rest.indexOf(LINE_FEED); end !== -1; end = rest.indexOf(LINE_FEED)) {
        this.push(Buffer.concat([...parts, rest.subarray(0, end + 1)]));
        rest = rest.subarray(end + 1);
        parts = [];
        length = 0;
      }
      parts.push(rest);
      length += rest.length;
      done(length > MESSAGE_BYTES ? new Error(`a message is longer than ${MESSAGE_BYTES} bytes`) : null);
    },
  });
}
