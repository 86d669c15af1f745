import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request to the S3 server, as the proxy sees it. */
export interface S3Request {
  readonly method: string;
  /** The path after the bucket, decoded once: the key. */
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
}

/** What happens to a request instead of passing. */
export type S3Fault =
  /** An error of S3, without the server. `headers` are added to it. */
  | {
      readonly kind: 'refuse';
      readonly status: number;
      readonly code: string;
      readonly message?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** The request takes effect, and the answer is an error nevertheless. */
  | {
      readonly kind: 'fail-after';
      readonly status: number;
      readonly code: string;
      readonly message?: never;
      readonly headers?: never;
    }
  /** The connection ends when so many bytes of the request have come. */
  | { readonly kind: 'cut-request'; readonly bytes: number }
  /** The connection ends when so many bytes of the answer's body were sent. */
  | { readonly kind: 'cut-answer'; readonly bytes: number }
  /** The answer, or the rest of it, waits after so many bytes of its body for this promise. */
  | { readonly kind: 'stall'; readonly bytes: number; readonly until: Promise<unknown> }
  /** The server gets the request only when this promise has resolved. */
  | { readonly kind: 'hold'; readonly until: Promise<unknown> }
  /** The server is another one, which answers this. */
  | { readonly kind: 'answer'; readonly body: string };

/** A proxy in front of an S3 server, which notes what is asked and breaks what a test wants broken. */
export interface FaultyProxy extends AsyncDisposable {
  readonly endpoint: string;
  /** All requests so far, the refused ones included. */
  readonly requests: S3Request[];
  /** Decides about each request; null lets it pass. */
  fault: (request: S3Request) => S3Fault | null;
  /** Uploads in parts that were begun and have not ended, by their ids. `ListMultipartUploads` answers with them. */
  readonly uploads: Map<string, { readonly key: string; readonly initiated: Date }>;
  /** Connections that are open. */
  connections(): number;
}

/**
 * Starts the proxy on a free port. It does three things that the server behind it may lack: it refuses what is not signed, or was signed
 * too long ago, and it lists uploads in parts.
 */
export async function startFaultyProxy(target: string): Promise<FaultyProxy> {
  const requests: S3Request[] = [];
  const uploads: FaultyProxy['uploads'] = new Map();
  const sockets = new Set<unknown>();

  const server = createServer((incoming, answer) => {
    const url = new URL(incoming.url ?? '/', target);
    const { method = 'GET', headers } = incoming;
    const key = decodeURIComponent(url.pathname).split('/').slice(2).join('/');
    const asked: S3Request = { method, key, query: url.searchParams, headers };
    requests.push(asked);
    const fault = unsigned(asked) ?? proxy.fault(asked) ?? listedUploads(asked, uploads);
    pass(target, incoming, answer, fault, (body) => noteUpload(asked, body, uploads));
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  const proxy: FaultyProxy = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    fault: () => null,
    uploads,
    connections: () => sockets.size,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}

function pass(
  target: string,
  incoming: IncomingMessage,
  answer: ServerResponse,
  fault: S3Fault | null,
  note: (body: string) => void,
): void {
  answer.on('error', () => undefined);
  if (fault?.kind === 'refuse' || fault?.kind === 'answer') {
    incoming.resume();
    incoming.once('end', () => {
      if (fault.kind === 'answer') answer.writeHead(200, XML).end(fault.body);
      else refuse(incoming, answer, fault);
    });
    return;
  }
  if (fault?.kind === 'hold') {
    void fault.until.then(() => pass(target, incoming, answer, null, note));
    return;
  }
  const { method, headers, url = '' } = incoming;
  const forwarded = httpRequest(target + url, { method, headers }, (got) => {
    if (fault?.kind === 'fail-after') {
      got.resume();
      got.once('end', () => refuse(incoming, answer, fault));
      return;
    }
    answer.writeHead(got.statusCode ?? 502, got.headers);
    void sendBody(got, answer, fault, note).catch(() => answer.destroy());
  });
  // The server sees a proxy that cuts as a client that leaves, and a client sees a server that ends as a broken connection.
  forwarded.on('error', () => answer.destroy());
  answer.once('close', () => forwarded.destroy());
  if (fault?.kind === 'cut-request') {
    let received = 0;
    incoming.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received >= fault.bytes) incoming.destroy();
    });
  }
  incoming.pipe(forwarded);
}

async function sendBody(
  got: IncomingMessage,
  answer: ServerResponse,
  fault: S3Fault | null,
  note: (body: string) => void,
): Promise<void> {
  const limit = fault?.kind === 'cut-answer' || fault?.kind === 'stall' ? fault.bytes : Number.POSITIVE_INFINITY;
  let text = '';
  let sent = 0;
  // The head is on its way before the body is held back.
  answer.flushHeaders();
  for await (const chunk of got as AsyncIterable<Buffer>) {
    if (String(got.headers['content-type']).includes('xml')) text += chunk.toString();
    const before = chunk.subarray(0, Math.max(0, limit - sent));
    if (before.length > 0) await write(answer, before);
    if (sent + chunk.length > limit && sent <= limit) {
      if (fault?.kind === 'cut-answer') {
        answer.destroy();
        return;
      }
      if (fault?.kind === 'stall') await fault.until;
    }
    if (before.length < chunk.length) await write(answer, chunk.subarray(before.length));
    sent += chunk.length;
  }
  note(text);
  answer.end();
}

function write(answer: ServerResponse, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    answer.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}

const XML = { 'content-type': 'application/xml' };

function refuse(
  { method }: IncomingMessage,
  answer: ServerResponse,
  fault: Extract<S3Fault, { readonly kind: 'refuse' | 'fail-after' }>,
): void {
  const body = `<?xml version="1.0"?><Error><Code>${fault.code}</Code><Message>${fault.message ?? 'injected'}</Message></Error>`;
  answer.writeHead(fault.status, { ...XML, ...fault.headers });
  answer.end(method === 'HEAD' ? undefined : body);
}

function unsigned({ headers, query }: S3Request): S3Fault | null {
  if (headers.authorization?.startsWith('AWS4-HMAC-SHA256 ')) return null;
  const denied: S3Fault = { kind: 'refuse', status: 403, code: 'AccessDenied' };
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(query.get('X-Amz-Date') ?? '') ?? [];
  if (year === undefined || query.get('X-Amz-Signature') === null) return denied;
  const signedAt = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Date.now() < signedAt + 1000 * Number(query.get('X-Amz-Expires')) ? null : denied;
}

function listedUploads({ method, key, query }: S3Request, uploads: FaultyProxy['uploads']): S3Fault | null {
  if (method !== 'GET' || key !== '' || !query.has('uploads')) return null;
  const prefix = query.get('prefix') ?? '';
  const entries = [...uploads]
    .filter(([, upload]) => upload.key.startsWith(prefix))
    .map(
      ([id, upload]) =>
        `<Upload><Key>${upload.key}</Key><UploadId>${id}</UploadId><Initiated>${upload.initiated.toISOString()}</Initiated></Upload>`,
    );
  const body = `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>${entries.join('')}</ListMultipartUploadsResult>`;
  return { kind: 'answer', body };
}

/** Follows the uploads in parts by what was asked and answered. */
function noteUpload({ method, key, query }: S3Request, answer: string, uploads: FaultyProxy['uploads']): void {
  const begun = /<UploadId>([^<]+)<\/UploadId>/.exec(answer)?.[1];
  if (method === 'POST' && query.has('uploads') && begun !== undefined)
    uploads.set(begun, { key, initiated: new Date() });
  const ended = query.get('uploadId');
  if (ended !== null && (method === 'DELETE' || method === 'POST')) uploads.delete(ended);
}
