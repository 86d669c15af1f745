import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createGuardedFetch } from '../../../src/security/ssrf-guard.ts';
import { addressIn, callOptions } from '../../support/generation.ts';
import {
  CALL,
  MAX_BYTES,
  type OpenAIOptions,
  type OpenAiAdapter,
  startOpenAiAdapter,
} from '../../support/openai/adapter.ts';
import {
  answer,
  type Behaviour,
  dropConnection,
  forKey,
  hang,
  htmlPage,
  openAiError,
  picture,
  redirected,
  textError,
} from '../../support/openai/answers.ts';
import { type OpenAiServer, startOpenAiServer } from '../../support/openai/server.ts';
import { LONGEST_WAIT_MS } from '../../support/until.ts';

let other: OpenAiServer;
let adapter: OpenAiAdapter;
let server: OpenAiServer;

beforeAll(async () => {
  other = await startOpenAiServer();
  adapter = await startOpenAiAdapter([other.origin]);
  ({ server } = adapter);
});
afterAll(async () => {
  await adapter[Symbol.asyncDispose]();
  await other.close();
});
beforeEach(() => {
  server.reset();
  other.reset();
});

const PNG = Buffer.from('\x89PNG and the rest', 'latin1');
/** Pixels of which no encoder makes much less, the same in every run: a cut GIF may end in its trailer's byte by chance. */
const NOISE = Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, at) => (at * at * 31 + at * 7) % 251));
const RAW = { raw: { width: 64, height: 64, channels: 3 } } as const;
const file = answer({ name: 'file', body: PNG, type: 'image/png' });

/** The address of a file that this server answers like this. */
async function addressOf(behaviour: Behaviour, on = server): Promise<string> {
  on.script(picture({ as: 'url', file: behaviour }));
  const baseURL = on.baseUrl;
  return addressIn(await adapter.provider({ baseURL, apiKey: on.key }).generate(CALL, callOptions())).url;
}

const download = (url: string, some: Partial<OpenAIOptions> = {}, timeoutMs = 10_000) =>
  adapter.provider(some).download(url, { signal: new AbortController().signal, timeoutMs });

const fileOf = async (url: string, some?: Partial<OpenAIOptions>) => Buffer.from((await download(url, some)).bytes);

const failure = async (url: string, some?: Partial<OpenAIOptions>, timeoutMs?: number) =>
  await download(url, some, timeoutMs).then(
    () => new Error('the download brought a file'),
    (error: unknown) => error,
  );

/** The keys that arrived with the requests of this server's files. */
const keysAt = ({ otherCalls }: OpenAiServer) =>
  otherCalls.map(({ headers }) => headers.authorization ?? headers['api-key'] ?? null);

test('fetches the file in one request, without the key', async () => {
  expect(await fileOf(await addressOf(file))).toEqual(PNG);
  expect(keysAt(server)).toEqual([null]);
});

test.each(['<svg xmlns="">', 'BM\0 and so on', 'II*\0'])('takes what is no text for the picture: %j', async (text) => {
  expect((await fileOf(await addressOf(answer({ body: text })))).toString()).toBe(text);
});

test.each([
  '<!DOCTYPE html>',
  '\n<html>',
  '\ufeff<html>',
  '<?xml version="1.0"?><Error/>',
  '{"error":"not yet"}',
  '[]',
  '',
  ' \n',
  ' '.repeat(50),
  'Not ready yet',
  'Noch nicht fertig: später',
])('takes no text for the picture: %j', async (text) => {
  const error = await failure(await addressOf(answer({ body: text })));
  expect(error).toMatchObject({ fault: 'interrupted', message: expect.stringContaining('text instead') });
});

test.each(['png', 'jpeg', 'webp', 'gif', 'avif'] as const)('sees that a %s is whole', async (format) => {
  const whole = await sharp(NOISE, RAW).toFormat(format).toBuffer();
  const wholeness = async (body: Uint8Array) => (await download(await addressOf(answer({ body })))).isWhole;
  expect(await wholeness(whole)).toBe(true);
  expect(await wholeness(Buffer.concat([whole, Buffer.alloc(9)]))).toBe(true);
  // AVIF shows its end to decoders alone.
  for (const part of [0.3, 0.6, 0.99]) {
    expect(await wholeness(whole.subarray(0, Math.floor(part * whole.length)))).toBe(format === 'avif');
  }
});

describe('a failure after which the picture may still be there', () => {
  test.each([
    ['a 404', htmlPage(404), 'interrupted'],
    ['a 403 without a key to give', textError(403, 'expired'), 'interrupted'],
    ['a 503', htmlPage(503), 'interrupted'],
    ['a 500', openAiError('server_error'), 'interrupted'],
    ['no content', answer({ status: 204 }), 'interrupted'],
    ['a reset connection', dropConnection('reset'), 'interrupted'],
    ['a closed connection', dropConnection('close'), 'interrupted'],
    ['a body that breaks off', answer({ body: PNG, cut: { after: { bytes: 5 }, by: 'close' } }), 'interrupted'],
    ['a redirect to nowhere', answer({ status: 302 }), 'interrupted'],
    ['four redirects', redirected(4, file), 'interrupted'],
    ['silence', hang(), 'timeout'],
    ['a body that stalls', answer({ body: PNG, cut: { after: { bytes: 5 }, by: 'hang' } }), 'timeout'],
  ])('%s', async (_, behaviour, fault) => {
    const url = await addressOf(behaviour);
    const error = await failure(url, { apiKey: null }, fault === 'timeout' ? 300 : LONGEST_WAIT_MS);
    expect(error).toMatchObject({ name: 'ProviderError', fault, retryAfterMs: null });
  });

  test('a server that refuses connections', async () => {
    const gone = await startOpenAiServer();
    await gone.close();
    const guard = createGuardedFetch({ allow: [{ hostname: '127.0.0.1', port: null }] });
    try {
      expect(await failure(`${gone.origin}/1.png`, { guard })).toMatchObject({ fault: 'unreachable' });
    } finally {
      await guard.close();
    }
  });

  test.each([
    ['7', 7000],
    ['0', null],
  ])('carries the wait that is asked for: %s', async (value, retryAfterMs) => {
    const url = await addressOf(htmlPage(503, { headers: { 'retry-after': value } }));
    expect(await failure(url)).toMatchObject({ fault: 'interrupted', retryAfterMs });
  });

  test('once it is over, the file comes', async () => {
    server.script(picture({ as: 'url', file, fileFirst: [htmlPage(404), dropConnection('reset')] }));
    const { url } = addressIn(await adapter.provider().generate(CALL, callOptions()));
    for (const _ of [1, 2]) expect(await failure(url)).toMatchObject({ fault: 'interrupted' });
    expect(await fileOf(url)).toEqual(PNG);
  });
});

describe('a failure after which no further try can work', () => {
  test('an address that the SSRF guard refuses', async () => {
    for (const url of ['http://127.0.0.1:1/1.png', 'http://169.254.169.254/latest', 'http://[::1]/1.png']) {
      expect(await failure(url)).toMatchObject({ fault: 'empty', message: expect.stringContaining('not public') });
    }
  });

  test('an address whose host is a secret, which is masked', async () => {
    const { download } = adapter.provider({ maskSecrets: (text) => text.replaceAll('169.254', '[secret]') });
    const error: unknown = await download('http://169.254.1.1/1.png', {
      signal: AbortSignal.timeout(LONGEST_WAIT_MS),
      timeoutMs: LONGEST_WAIT_MS,
    }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ message: expect.stringContaining('[secret].1.1 has an address that is not public') });
  });

  test('a redirect to an address that the SSRF guard refuses', async () => {
    for (const location of ['http://169.254.169.254/latest', 'file:///etc/passwd', 'data:image/png;base64,AQID']) {
      const url = await addressOf(answer({ status: 302, headers: { location } }));
      expect(await failure(url)).toMatchObject({ fault: 'empty' });
    }
  });

  test('a file that is too large', async () => {
    const url = await addressOf(answer({ body: Buffer.alloc(MAX_BYTES + 1, 7) }));
    expect(await failure(url)).toMatchObject({ fault: 'empty', message: expect.stringContaining('larger than') });
  });

  test('a file that is gone', async () => {
    expect(await failure(await addressOf(answer({ status: 410 })))).toMatchObject({ fault: 'empty' });
  });
});

test('ends as cancelled when the signal fires', async () => {
  const controller = new AbortController();
  const url = await addressOf(hang());
  const failed = adapter
    .provider()
    .download(url, { signal: controller.signal, timeoutMs: LONGEST_WAIT_MS })
    .catch((error: unknown) => error);
  await server.until(() => server.otherCalls.length === 1);
  controller.abort();
  expect(await failed).toMatchObject({ fault: 'cancelled' });
  await server.until(() => server.otherCalls[0]?.ending === 'client_left');
});

test.each([1, 2, 3])('%d redirects are followed', async (times) => {
  expect(await fileOf(await addressOf(redirected(times, file)))).toEqual(PNG);
  expect(server.otherCalls).toHaveLength(times + 1);
});

describe('the key', () => {
  const bearer = () => `Bearer ${server.key}`;

  test.each([401, 403] as const)('is given to the own origin of the provider after a %d', async (status) => {
    expect(await fileOf(await addressOf(forKey(server.key, file, status)))).toEqual(PNG);
    expect(keysAt(server)).toEqual([null, bearer()]);
  });

  test('is given in the header of Azure where that is the provider', async () => {
    const url = await addressOf(forKey(server.key, file));
    const azure = { baseURL: server.origin, azureApiVersion: '2025-04-01-preview' };
    expect(await fileOf(url, azure)).toEqual(PNG);
    expect(server.otherCalls.map(({ headers }) => [headers['api-key'], headers.authorization])).toEqual([
      [undefined, undefined],
      [server.key, undefined],
    ]);
  });

  test('is given behind a redirect within the own origin', async () => {
    expect(await fileOf(await addressOf(redirected(1, forKey(server.key, file))))).toEqual(PNG);
    expect(keysAt(server)).toEqual([null, null, bearer()]);
  });

  test('is refused once, and then not given again', async () => {
    const url = await addressOf(forKey('another key', file));
    expect(await failure(url)).toMatchObject({ fault: 'interrupted' });
    expect(keysAt(server)).toEqual([null, bearer()]);
  });

  test('is given to no other host, port or scheme', async () => {
    const url = await addressOf(forKey(server.key, file), other);
    expect(await failure(url)).toMatchObject({ fault: 'interrupted' });
    // The same machine and port under another name is another origin.
    const named = (await addressOf(forKey(server.key, file))).replace('127.0.0.1', 'localhost');
    const guard = createGuardedFetch({ allow: [{ hostname: 'localhost', port: null }] });
    try {
      expect(await failure(named, { guard })).toMatchObject({ fault: 'interrupted' });
    } finally {
      await guard.close();
    }
    expect([...keysAt(other), ...keysAt(server)]).toEqual([null, null]);
  });

  test('is given to no other host behind a redirect, with the key or without it', async () => {
    const elsewhere = await addressOf(forKey(server.key, file), other);
    const away = answer({ status: 302, headers: { location: elsewhere } });
    for (const behaviour of [away, forKey(server.key, away)]) {
      expect(await failure(await addressOf(behaviour))).toMatchObject({ fault: 'interrupted' });
    }
    expect(keysAt(other)).toEqual([null, null]);
    expect(keysAt(server)).toEqual([null, null, bearer()]);
  });

  test('is not given where another host has led back to the own origin', async () => {
    const own = await addressOf(forKey(server.key, file));
    const back = await addressOf(answer({ status: 302, headers: { location: own } }), other);
    expect(await failure(back)).toMatchObject({ fault: 'interrupted' });
    expect([...keysAt(other), ...keysAt(server)]).toEqual([null, null]);
  });

  test('appears in no error, nor does the URL', async () => {
    const url = `${await addressOf(textError(403, `wrong key ${server.key}`))}?signature=secret`;
    const error = (await failure(url)) as Error;
    expect(`${error.message} ${error.stack} ${String(error.cause)}`).not.toMatch(/secret|sk-/);
  });
});
