import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo, LookupFunction } from 'node:net';
import { describe, expect, test } from 'vitest';
import { allowedHostText } from '../../src/security/allow-list.ts';
import { createGuardedFetch, type GuardOptions, RefusedAddressError } from '../../src/security/ssrf-guard.ts';
import { LONGEST_WAIT_MS } from '../support/until.ts';

interface Receiver extends AsyncDisposable {
  readonly port: number;
  readonly received: IncomingMessage[];
  /** Connections so far, with or without a request on them. */
  readonly connections: () => number;
}

/** A real server on one loopback address. */
async function listen(answer: RequestListener, host = '127.0.0.1', port = 0): Promise<Receiver> {
  const received: IncomingMessage[] = [];
  let connections = 0;
  const server = createServer((request, response) => {
    received.push(request);
    answer(request, response);
  });
  server.on('connection', () => {
    connections++;
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    received,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A resolver that answers each lookup of a name with its next list of addresses, and repeats the last one. */
function resolver(names: Readonly<Record<string, readonly (readonly string[])[]>>) {
  const asked: string[] = [];
  const lookup: LookupFunction = (hostname, options, callback) => {
    const answers = names[hostname] ?? [];
    const addresses = answers[Math.min(asked.filter((name) => name === hostname).length, answers.length - 1)];
    asked.push(hostname);
    if (!addresses) return callback(Object.assign(new Error(`no ${hostname}`), { code: 'ENOTFOUND' }), []);
    const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    if (options.all) callback(null, found);
    else callback(null, found[0]?.address ?? '', found[0]?.family);
  };
  return { lookup, asked };
}

function guardedFetch(options: Partial<GuardOptions> = {}) {
  const guard = createGuardedFetch({ allow: [], ...options });
  const get = (url: string, bounds: { timeoutMs?: number | null; maxBytes?: number; signal?: AbortSignal } = {}) =>
    guard.fetch(url, { method: 'GET', timeoutMs: LONGEST_WAIT_MS, maxBytes: 1_000, ...bounds });
  return { ...guard, get, [Symbol.asyncDispose]: () => guard.close() };
}

const allow = (...entries: string[]) => entries.map((entry) => allowedHostText.parse(entry));
/** Treats 127.0.0.2 as public, so that a test has a public and a private server on one machine. */
const special = (address: string) => (address === '127.0.0.2' ? null : 'loopback');
const ok: RequestListener = (_request, response) => response.end('here');

describe('an address that is not public', () => {
  test.each([
    'http://127.0.0.1:PORT',
    'http://localhost:PORT',
    'http://0.0.0.0:PORT',
    'http://0:PORT',
    'http://[::1]:PORT',
    'http://[::]:PORT',
    'http://[::ffff:127.0.0.1]:PORT',
    'http://[::ffff:7f00:1]:PORT',
    'http://[::127.0.0.1]:PORT',
    'http://[64:ff9b::127.0.0.1]:PORT',
    'http://[2002:7f00:1::]:PORT',
    'http://0x7f.1:PORT',
    'http://0x7f000001:PORT',
    'http://0177.0.0.1:PORT',
    'http://2130706433:PORT',
    'http://127.1:PORT',
    'http://127.0.0.1.:PORT',
    'http://①②⑦.0.0.1:PORT',
    'http://user:password@127.0.0.1:PORT',
    'https://127.0.0.1:PORT',
    'http://169.254.169.254/latest/meta-data/',
    'http://10.1.2.3',
    'http://192.168.0.1',
    'http://100.64.0.1',
    'http://224.0.0.1',
  ])('%s is refused before a connection is made', async (url) => {
    await using receiver = await listen(ok);
    await using guard = guardedFetch();
    await expect(guard.get(url.replace('PORT', String(receiver.port)))).rejects.toThrow(RefusedAddressError);
    expect(receiver.connections()).toBe(0);
  });

  test.each(['ftp://example.com/x', 'file:///etc/passwd', 'data:,x', 'example.com', ''])(
    '%j, no http or https URL, is refused',
    async (url) => {
      await using guard = guardedFetch();
      await expect(guard.get(url)).rejects.toThrow(RefusedAddressError);
    },
  );

  test('is refused behind a name that resolves to it, or to it among others', async () => {
    await using receiver = await listen(ok);
    const { lookup } = resolver({
      'inside.example': [['127.0.0.1']],
      'six.example': [['::1']],
      'mapped.example': [['::ffff:127.0.0.1']],
      'mixed.example': [['93.184.215.14', '127.0.0.1']],
    });
    await using guard = guardedFetch({ lookup });
    for (const name of ['inside', 'six', 'mapped', 'mixed']) {
      await expect(guard.get(`http://${name}.example:${receiver.port}`)).rejects.toThrow(
        /example has an address that is not public/,
      );
    }
    expect(receiver.connections()).toBe(0);
  });

  test('is reached where the operator allows the host and port, also by name', async () => {
    await using receiver = await listen(ok);
    await using other = await listen(ok);
    const { lookup } = resolver({ 'hooks.internal': [['127.0.0.1']] });
    await using guard = guardedFetch({ lookup, allow: allow(`127.0.0.1:${receiver.port}`, 'hooks.internal') });
    for (const url of [
      `http://127.0.0.1:${receiver.port}/`,
      `http://0x7f.1:${receiver.port}/`,
      `http://hooks.internal:${receiver.port}/`,
      `http://hooks.internal:${other.port}/`,
    ]) {
      expect((await guard.get(url)).status).toBe(200);
    }
    expect(other.received).toHaveLength(1);
    await expect(guard.get(`http://127.0.0.1:${other.port}`)).rejects.toThrow(RefusedAddressError);
    expect(other.connections()).toBe(1);
  });
});

describe('a name that changes its address', () => {
  test('is looked up once, and the connection goes to the address that was checked', async () => {
    await using outside = await listen(ok, '127.0.0.2');
    await using inside = await listen(ok, '127.0.0.1', outside.port);
    const { lookup, asked } = resolver({ 'rebind.example': [['127.0.0.2'], ['127.0.0.1']] });
    await using guard = guardedFetch({ lookup, special });
    const url = `http://rebind.example:${outside.port}/`;

    expect((await guard.get(url)).status).toBe(200);
    expect(asked).toEqual(['rebind.example']);
    expect(outside.received.map(({ headers }) => headers.host)).toEqual([`rebind.example:${outside.port}`]);

    // The connection is not kept alive, so the next request has its own lookup and its own check.
    await expect(guard.get(url)).rejects.toThrow(RefusedAddressError);
    expect(asked).toHaveLength(2);
    expect(inside.connections()).toBe(0);
  });
});

describe('an answer', () => {
  const on = { allow: allow('127.0.0.1') };
  const url = ({ port }: Receiver) => `http://127.0.0.1:${port}/`;

  test('has status, headers and body, and the request its headers and body', async () => {
    await using receiver = await listen((request, response) => {
      response.writeHead(201, { 'x-part': 'a' });
      request.pipe(response);
    });
    await using guard = guardedFetch(on);
    const answer = await guard.fetch(url(receiver), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"a":1}',
      timeoutMs: LONGEST_WAIT_MS,
      maxBytes: 100,
    });
    expect(answer).toMatchObject({ status: 201, headers: { 'x-part': 'a' }, complete: true });
    expect(Buffer.from(answer.body).toString()).toBe('{"a":1}');
    expect(receiver.received[0]?.headers).toMatchObject({ 'content-type': 'application/json', connection: 'close' });
  });

  test('may take any time where there is no timeout', async () => {
    await using receiver = await listen(ok);
    await using guard = guardedFetch(on);
    expect(await guard.get(url(receiver), { timeoutMs: null })).toMatchObject({ status: 200 });
  });

  test('that redirects is returned as it is, and not followed', async () => {
    await using inside = await listen(ok);
    await using receiver = await listen((_request, response) => {
      response.writeHead(307, { location: url(inside) }).end();
    });
    await using guard = guardedFetch(on);
    expect(await guard.get(url(receiver))).toMatchObject({ status: 307, headers: { location: url(inside) } });
    expect(inside.connections()).toBe(0);
  });

  test.each([
    ['as long as allowed', 1_000, true],
    ['a byte longer', 1_001, false],
    ['of 10 MB', 10_000_000, false],
  ])('%s is read up to the bound', async (_how, bytes, whole) => {
    await using receiver = await listen((_request, response) => response.end(Buffer.alloc(bytes, 'x')));
    await using guard = guardedFetch(on);
    const answer = await guard.get(url(receiver));
    expect([answer.status, answer.body.length, answer.complete]).toEqual([200, 1_000, whole]);
  });

  test.each<[string, RequestListener]>([
    ['never begins', () => undefined],
    ['stops after its head', (_request, response) => response.writeHead(200).flushHeaders()],
    [
      'drips',
      (_request, response) => {
        const drops = setInterval(() => response.write('.'), 20);
        response.once('close', () => clearInterval(drops));
      },
    ],
  ])('that %s ends by the timeout, and by the caller’s signal', async (_how, answer) => {
    await using receiver = await listen(answer);
    await using guard = guardedFetch(on);
    await expect(guard.get(url(receiver), { timeoutMs: 200 })).rejects.toMatchObject({ name: 'TimeoutError' });
    const reason = new Error('no longer wanted');
    for (const timeoutMs of [LONGEST_WAIT_MS, null]) {
      const signal = new AbortController();
      const waiting = guard.get(url(receiver), { timeoutMs, signal: signal.signal });
      signal.abort(reason);
      await expect(waiting).rejects.toBe(reason);
    }
  });

  test('does not come once the guard is closed, also to a request that was its first', async () => {
    await using receiver = await listen(ok);
    const guard = guardedFetch(on);
    const first = expect(guard.get(url(receiver))).rejects.toMatchObject({ code: 'UND_ERR_DESTROYED' });
    await guard.close();
    await first;
    const unused = guardedFetch(on);
    await unused.close();
    await expect(unused.get(url(receiver))).rejects.toMatchObject({ code: 'UND_ERR_DESTROYED' });
    expect(receiver.received).toEqual([]);
  });

  test('that cannot come is an error of the connection', async () => {
    const receiver = await listen(ok);
    await receiver[Symbol.asyncDispose]();
    await using guard = guardedFetch({ ...on, lookup: resolver({}).lookup });
    await expect(guard.get(url(receiver))).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await expect(guard.get('http://nowhere.example')).rejects.toMatchObject({ code: 'ENOTFOUND' });
  });
});
