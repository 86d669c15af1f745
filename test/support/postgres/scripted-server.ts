/** A server that speaks just enough of PostgreSQL's protocol to be asked what it is: for releases that cannot be installed here. */

import { once } from 'node:events';
import { createServer } from 'node:net';

interface Answers {
  /** As `server_version_num` gives it. */
  readonly version?: number;
  /** The SQLSTATE with which every connection is refused. */
  readonly error?: string;
  /** Called with each statement, which is then not answered. */
  readonly leave?: () => void;
}

interface ScriptedServer extends AsyncDisposable {
  readonly url: string;
}

/** Starts it on a free port of loopback. */
export async function answerAsPostgres({ version = 180_000, error, leave }: Answers): Promise<ScriptedServer> {
  const named = `${Math.floor(version / 10_000)}.${version % 10_000}`;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      if (error !== undefined) {
        socket.end(message('E', Buffer.from(`SFATAL\0C${error}\0Mrefused\0\0`)));
        return;
      }
      socket.write(Buffer.concat([message('R', int32(0)), READY]));
      socket.on('data', ([kind]) => {
        // A client that closes the connection says so.
        if (kind === 'X'.charCodeAt(0)) return;
        if (leave) leave();
        else socket.write(row({ version: String(version), named, read_only: 'off', encoding: 'UTF8' }));
      });
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    url: `postgres://easel@127.0.0.1:${port}/easel`,
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}

/** The types of the columns: a whole number, or text. */
const INT4 = 23;
const TEXT = 25;

function row(columns: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(columns);
  const described = entries.map(([name]) =>
    Buffer.concat([
      Buffer.from(`${name}\0`),
      int32(0),
      int16(0),
      int32(name === 'version' ? INT4 : TEXT),
      int16(-1),
      int32(-1),
      int16(0),
    ]),
  );
  const values = entries.map(([, value]) => Buffer.concat([int32(value.length), Buffer.from(value)]));
  return Buffer.concat([
    message('T', Buffer.concat([int16(entries.length), ...described])),
    message('D', Buffer.concat([int16(entries.length), ...values])),
    message('C', Buffer.from('SELECT 1\0')),
    READY,
  ]);
}

function message(type: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

const READY = message('Z', Buffer.from('I'));
