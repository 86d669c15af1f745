import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createPictureFetcher } from '../../../src/adapters/fetching/picture-fetcher.ts';
import { ImageError } from '../../../src/core/domain/errors.ts';
import { hostOf } from '../../../src/security/allow-list.ts';
import { createGuardedFetch } from '../../../src/security/ssrf-guard.ts';
import { type FileServer, redirectTo, startFileServer } from '../../support/network/file-server.ts';
import { refusingPort } from '../../support/network/refusing-port.ts';
import { LONGEST_WAIT_MS, until } from '../../support/until.ts';

const BYTES = Buffer.from('the bytes of a picture');

let allowed: FileServer;
/** Not on the list of allowed hosts, so a private address. */
let internal: FileServer;

beforeAll(async () => {
  allowed = await startFileServer();
  internal = await startFileServer();
  internal.serve('/secret.png', BYTES);
});
afterAll(async () => {
  await allowed[Symbol.asyncDispose]();
  await internal[Symbol.asyncDispose]();
});

interface Options {
  readonly timeoutMs?: number;
  readonly stopping?: AbortSignal;
  readonly concurrency?: number;
  /** Allowed besides. */
  readonly origin?: string;
}

function open({ origin = allowed.origin, ...options }: Options = {}) {
  const guard = createGuardedFetch({ allow: [allowed.origin, origin].map(hostOf) });
  onTestFinished(() => guard.close());
  const maskSecrets = (text: string) => text;
  return createPictureFetcher({
    guard,
    maskSecrets,
    userAgent: 'Easel/test',
    stopping: new AbortController().signal,
    timeoutMs: LONGEST_WAIT_MS,
    ...options,
  });
}

describe('a picture', () => {
  it('is fetched whole, by a program that names itself', async () => {
    let agent: string | undefined;
    const url = allowed.serve('/a.png?x=1', (request, response) => {
      agent = request.headers['user-agent'];
      response.end(BYTES);
    });
    expect(Buffer.from(await open().fetch(url, { maxBytes: BYTES.length }))).toEqual(BYTES);
    expect(agent).toBe('Easel/test');
  });

  it('is found over three redirects, absolute or relative, and no more', async () => {
    allowed.serve('/a.png', BYTES);
    allowed.serve('/1', redirectTo('/a.png', 307));
    allowed.serve('/2', redirectTo(`${allowed.origin}/1`, 301));
    const url = allowed.serve('/3', redirectTo('2'));
    expect(Buffer.from(await open().fetch(url, { maxBytes: 1_000 }))).toEqual(BYTES);
    await expect(open().fetch(allowed.serve('/4', redirectTo('/3')), { maxBytes: 1_000 })).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('redirected more than 3 times'),
    });
  });

  it('is refused with 413 where it has more bytes than are taken', async () => {
    const url = allowed.serve('/large.png', BYTES);
    await expect(open().fetch(url, { maxBytes: BYTES.length - 1 })).rejects.toMatchObject({
      code: 'payload_too_large',
    });
  });

  it('is counted as it arrives, and ends where what counts it raises', async () => {
    const url = allowed.serve('/endless.png', (_, response) => void response.write(BYTES));
    const counted: number[] = [];
    const full = new ImageError('queue_full', 'no room');
    const onBytes = (bytes: number) => {
      counted.push(bytes);
      if (counted.reduce((sum, one) => sum + one, 0) === BYTES.length) throw full;
    };
    await expect(open().fetch(url, { maxBytes: 1_000, onBytes })).rejects.toBe(full);
  });

  it('waits for its turn, in which its time begins', async () => {
    const gate = Promise.withResolvers<void>();
    const url = allowed.serve('/slow.png', (_request, response) => void gate.promise.then(() => response.end(BYTES)));
    const fetcher = open({ concurrency: 2 });
    const before = allowed.asked.length;
    const all = Promise.all(Array.from({ length: 5 }, () => fetcher.fetch(url, { maxBytes: 1_000 })));
    await until(() => allowed.asked.length - before === 2);
    expect(Buffer.from(await open().fetch(allowed.serve('/a.png', BYTES), { maxBytes: 1_000 }))).toEqual(BYTES);
    expect(allowed.asked.slice(before)).toEqual(['/slow.png', '/slow.png', '/a.png']);
    gate.resolve();
    expect(await all).toHaveLength(5);
  });
});

it('ends at once when the service begins to stop', async () => {
  const stopping = new AbortController();
  const url = allowed.serve('/endless', (_, response) => {
    response.write('x');
    stopping.abort();
  });
  await expect(open({ stopping: stopping.signal }).fetch(url, { maxBytes: 1_000 })).rejects.toMatchObject({
    code: 'shutting_down',
    retryAfterSeconds: 10,
  });
});

describe('no picture comes, and the request is at fault,', () => {
  it.each<[string, () => string | Promise<string>, RegExp]>([
    ['from a private address', () => `${internal.origin}/secret.png`, /not public/],
    ['over a redirect to one', () => allowed.serve('/r', redirectTo(`${internal.origin}/secret.png`)), /not public/],
    ['over a redirect to a file', () => allowed.serve('/r', redirectTo('file:///etc/passwd')), /only http and https/],
    ['over a redirect to nowhere', () => allowed.serve('/r', redirectTo('http://')), /no URL/],
    [
      'over a redirect that says nothing',
      () => allowed.serve('/r', (_, response) => response.writeHead(302).end()),
      /no URL/,
    ],
    ['from what is no URL', () => 'not a url', /only http and https/],
    ['from a data URL', () => 'data:image/png;base64,AAAA', /only http and https/],
    ['from a path that is not there', () => `${allowed.origin}/none.png`, /answered 404/],
    [
      'where the server fails',
      () => allowed.serve('/500', (_, response) => response.writeHead(500).end()),
      /answered 500/,
    ],
    ['where the connection breaks', () => allowed.serve('/broken', (request) => request.socket.destroy()), /broke off/],
  ])('%s', async (_, address, detail) => {
    const asked = internal.asked.length;
    const error = await open()
      .fetch(await address(), { maxBytes: 1_000 })
      .catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: 'invalid_request', message: expect.stringMatching(detail) });
    expect((error as Error).message).not.toContain('secret.png');
    expect(internal.asked).toHaveLength(asked);
  });

  it('where nothing listens', async () => {
    await using refusing = await refusingPort();
    const origin = `http://127.0.0.1:${refusing.port}`;
    await expect(open({ origin }).fetch(`${origin}/a.png`, { maxBytes: 1_000 })).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('could not be reached, or broke off (ECONNREFUSED)'),
    });
  });

  it('where it does not arrive in time', async () => {
    const url = allowed.serve('/never', (_, response) => void response.write('x'));
    await expect(open({ timeoutMs: 50 }).fetch(url, { maxBytes: 1_000 })).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('within 0.05 s'),
    });
  });
});
