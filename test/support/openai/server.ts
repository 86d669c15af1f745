/**
 * A stand-in for OpenAI's image API: a real HTTP server on loopback that speaks the API's dialect, refuses what the API
 * refuses, paints real pictures, fails as scripted, and logs the calls it received.
 *
 *     await using server = await startOpenAiServer();
 *     const client = new OpenAI({ baseURL: server.baseUrl, apiKey: server.key, maxRetries: 0 });
 *
 *     server.script(                                  // one per call, then good answers again
 *       openAiError('rate_limit_exceeded', { headers: { 'retry-after': '2' } }),
 *       picture({ content: 'truncated' }),
 *       (call) => (call.body.quality === 'high' ? hang() : picture()),
 *     );
 *     server.always(openAiError('server_error'));     // once the script is spent
 *
 *     const gate = server.gate();                     // no sleeping: the test decides when
 *     server.script(picture({ beforeHeaders: gate }));
 *     const answer = client.images.generate({ … });
 *     await gate.reached();
 *     gate.open();
 *     await answer;
 *
 *     await server.received(2);                       // the second call has arrived
 *     await server.abandoned(1);                      // one client disconnected before it had its answer
 *     expect(server.calls[0]).toMatchObject({ behaviour: 'picture', status: 200, ending: 'answered' });
 *
 * `answers.ts` has the behaviours, `../network/http-delivery.ts` how they are sent (late, in small pieces, cut off), and
 * `dialect.ts` the models and what they accept. A call that the real API would refuse (key, model, parameters) is
 * refused without using a step of the script, so that no script can hide an invalid request;
 * `strict: false` turns this off for models and parameters, to imitate compatible servers.
 *
 * Azure's paths (`/openai/deployments/<name>/images/…`) and its `api-key` header work as well.
 *
 * By hand: `npm run stand-in -- [port]` prints the URL and the key, and a line per call.
 */

import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { createGate, deliver, type Gate } from '../network/http-delivery.ts';
import { answer, type Behaviour, picture } from './answers.ts';
import type { Call, Ending } from './call.ts';
import {
  FACTS_DAY,
  type ImageOperation,
  isServed,
  missingKey,
  modelNotFound,
  type Refusal,
  refusalOf,
  type ServedModel,
  servedModels,
  typedFields,
  type UploadedFile,
  unknownParameter,
  unknownUrl,
  unreadableBody,
  wantedPicture,
  wrongKey,
  wrongMethod,
} from './dialect.ts';

export interface OpenAiServerOptions {
  /** A free one by default. */
  readonly port?: number;
  /** The API key; null accepts calls without one. A fixed test key by default. */
  readonly key?: string | null;
  /** Whether models and parameters are checked; true by default. */
  readonly strict?: boolean;
  /** The day (YYYY-MM-DD) that decides which models are retired; the day of the facts by default. */
  readonly today?: string;
  /** Milliseconds since 1970, for the log and for `created`. */
  readonly now?: () => number;
  /** Called when a call has ended. */
  readonly onEnd?: (call: Call) => void;
}

/** A behaviour, or a function that chooses one. */
export type Step = Behaviour | ((call: Call) => Behaviour | Promise<Behaviour>);

export interface OpenAiServer extends AsyncDisposable {
  /** `http://127.0.0.1:41234`; what Azure's client takes as its endpoint. */
  readonly origin: string;
  /** The origin with `/v1`: what the SDK takes as `baseURL`. */
  readonly baseUrl: string;

  /** These can be changed at any time. */
  key: string | null;
  strict: boolean;
  today: string;
  /** False: there is no endpoint for edits, as at many compatible servers. */
  edits: boolean;
  /** Parameters that are refused as unknown, beside those that the API does not know. */
  refuses: readonly string[];
  readonly models: Map<string, ServedModel>;

  /** Adds steps for the next generations and edits, one for each call. */
  script(...steps: readonly Step[]): void;
  /** The behaviour for calls for which the script has no step; `picture()` at first. */
  always(step: Step): void;
  /** The same as `script`, for `GET /v1/models`. */
  scriptModels(...steps: readonly Step[]): void;
  /** Steps of `script` that no call has taken. */
  readonly unusedSteps: number;
  /** Clears the scripts, `always` and the logs; the settings stay. */
  reset(): void;
  /** A gate that holds answers back: any pause of a behaviour can be one. */
  gate(): Gate;

  /** Generations and edits, in the order of arrival. */
  readonly calls: readonly Call[];
  /** Everything else: lists of models, files, unknown paths. */
  readonly otherCalls: readonly Call[];
  /** Connections that are open now, idle ones included. */
  readonly openSockets: number;
  /** Resolves with the `number`-th entry of `calls`, from 1, once it is there. */
  received(number: number): Promise<Call>;
  /** Resolves once `count` entries of `calls` have ended in any way. */
  ended(count: number): Promise<void>;
  /** Resolves once `count` entries of `calls` have ended as `client_left`. */
  abandoned(count: number): Promise<void>;
  /**
   * Resolves once the condition holds; it is checked whenever a call or a connection begins or ends.
   * Rejects when the server is closed first, as the other promises do.
   */
  until(condition: () => boolean): Promise<void>;

  /**
   * Ends every connection and answer. Rejects with what went wrong inside the stand-in, such as a step that threw;
   * the call then got a 500 with the code `stand_in_failed`.
   */
  close(): Promise<void>;
}

/** Starts a server on 127.0.0.1; it answers when the promise resolves. */
export async function startOpenAiServer(options: OpenAiServerOptions = {}): Promise<OpenAiServer> {
  const { now = () => performance.timeOrigin + performance.now(), onEnd = () => {} } = options;

  const http = createServer({ requestTimeout: 0, keepAliveTimeout: 60_000 });
  const sockets = new Set<Socket>();
  const watchers = new Set<Watcher>();
  const files = new Map<string, () => Behaviour>();
  const exchanges = new Set<Promise<void>>();
  const failures: unknown[] = [];
  const closing = new AbortController();
  let steps: Step[] = [];
  let modelSteps: Step[] = [];
  let lastStep: Step = picture();
  let calls: LoggedCall[] = [];
  let otherCalls: LoggedCall[] = [];
  let requests = 0;

  http.on('connection', (socket) => {
    sockets.add(socket);
    changed();
    socket.once('close', () => {
      sockets.delete(socket);
      changed();
    });
  });
  http.on('request', (request, response) => {
    const exchange = handle(request, response)
      .catch((error: unknown) => void failures.push(error))
      .finally(() => exchanges.delete(exchange));
    exchanges.add(exchange);
  });
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject);
    http.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;

  const server: OpenAiServer = {
    origin,
    baseUrl: `${origin}/v1`,
    key: options.key === undefined ? 'sk-stand-in-0123456789abcdef' : options.key,
    strict: options.strict ?? true,
    today: options.today ?? FACTS_DAY,
    edits: true,
    refuses: [],
    models: servedModels(),
    script: (...more) => void steps.push(...more),
    always(step) {
      lastStep = step;
    },
    scriptModels: (...more) => void modelSteps.push(...more),
    get unusedSteps() {
      return steps.length;
    },
    reset() {
      steps = [];
      modelSteps = [];
      lastStep = picture();
      calls = [];
      otherCalls = [];
    },
    gate: () => createGate({ changed, until }),
    get calls() {
      return calls;
    },
    get otherCalls() {
      return otherCalls;
    },
    get openSockets() {
      return sockets.size;
    },
    received: (number) => whenever(() => calls[number - 1]),
    ended: (count) => until(() => calls.filter(({ ending }) => ending !== 'open').length >= count),
    abandoned: (count) => until(() => calls.filter(({ ending }) => ending === 'client_left').length >= count),
    until,
    close,
    [Symbol.asyncDispose]: close,
  };
  return server;

  // ------------------------------------------------------------- one call

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const receivedAt = now();
    const gone = new AbortController();
    response.once('close', () => gone.abort());

    const route = routeOf(request);
    const content = await readBody(request).catch(() => null);
    if (content === null) return; // The client disconnected while it was sending: not logged as a call.

    const list = isImageOperation(route.operation) ? calls : otherCalls;
    const call: LoggedCall = {
      number: list.length + 1,
      operation: route.operation,
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: content.body,
      files: content.files,
      receivedAt,
      requestId: `req_${String(++requests).padStart(8, '0')}`,
      behaviour: null,
      status: null,
      ending: 'open',
      endedAt: null,
    };
    list.push(call);
    changed();

    const signal = AbortSignal.any([gone.signal, closing.signal]);
    const onStatus = (status: number) => {
      call.status = status;
    };
    try {
      const behaviour = await behaviourFor(call, route, content.isReadable);
      call.behaviour = behaviour.name;
      const makeAnswer = async () => {
        const made = await behaviour.answer(call, siteOf(call));
        const headers = { 'x-request-id': call.requestId, 'openai-processing-ms': '7', ...made.headers };
        return { ...made, headers };
      };
      call.ending = await deliver({ request, response, signal, onStatus }, makeAnswer, behaviour.delivery);
    } catch (error) {
      if (signal.aborted) {
        call.ending = closing.signal.aborted ? 'server_closed' : 'client_left';
      } else {
        failures.push(error);
        call.ending = failVisibly(response, onStatus);
      }
    }
    call.endedAt = now();
    changed();
    onEnd(call);
  }

  async function behaviourFor(call: LoggedCall, route: Route, isReadable: boolean): Promise<Behaviour> {
    const file = files.get(call.path);
    if (file) return file();
    const refusal = await refusalFor(call, route, isReadable);
    if (refusal) return refused(refusal);
    const step =
      call.operation === 'models' ? (modelSteps.shift() ?? modelList(route.modelId)) : (steps.shift() ?? lastStep);
    return typeof step === 'function' ? step(call) : step;
  }

  async function refusalFor(call: Call, route: Route, isReadable: boolean): Promise<Refusal | null> {
    const { operation, method } = call;
    const isMissing = operation === 'edits' && !server.edits;
    if (isMissing || operation === 'unknown' || operation === 'file') return unknownUrl(method, call.path);
    if (method !== (operation === 'models' ? 'GET' : 'POST')) return wrongMethod(method, call.path);
    if (server.key !== null) {
      const key = keyOf(call.headers);
      if (!key) return missingKey();
      if (key !== server.key) return wrongKey(key);
    }
    if (operation === 'models') {
      const model = route.modelId === null ? undefined : server.models.get(route.modelId);
      const isKnown = route.modelId === null || (model && isServed(model, server.today));
      return isKnown ? null : modelNotFound(String(route.modelId));
    }
    if (!isReadable) return unreadableBody();
    const unknown = server.refuses.find((name) => Object.hasOwn(call.body, name));
    if (unknown !== undefined) return unknownParameter(unknown);
    return server.strict ? refusalOf(operation, call.body, call.files, server.models, server.today) : null;
  }

  function siteOf(call: Call) {
    const operation = isImageOperation(call.operation) ? call.operation : 'generations';
    return {
      now: Math.floor(now() / 1000),
      wanted: wantedPicture(operation, call.body, server.models.get(String(call.body.model))),
      serve(extension: string, next: () => Behaviour) {
        const path = `/files/${files.size + 1}.${extension}`;
        files.set(path, next);
        return origin + path;
      },
    };
  }

  function modelList(id: string | null): Behaviour {
    const rows = [...server.models]
      .filter(([, model]) => isServed(model, server.today))
      .map(([id, { shutdownDate }]) => ({
        id,
        object: 'model',
        created: 1_776_729_600,
        owned_by: 'system',
        shutdown_date: shutdownDate,
      }));
    const json = id === null ? { object: 'list', data: rows } : rows.find((row) => row.id === id);
    return answer({ name: 'models', json });
  }

  // -------------------------------------------------------------- waiting

  function changed(): void {
    for (const watcher of watchers) watcher.look();
  }

  function until(condition: () => boolean): Promise<void> {
    return quiet(whenever(() => condition() || undefined).then(() => {}));
  }

  /** Resolves with the first result of `find` that is not undefined; calls it again at every change. */
  function whenever<Found>(find: () => Found | undefined): Promise<Found> {
    const { promise, resolve, reject } = Promise.withResolvers<Found>();
    const watcher: Watcher = {
      look() {
        const found = find();
        if (found === undefined) return;
        watchers.delete(watcher);
        resolve(found);
      },
      giveUp: reject,
    };
    watchers.add(watcher);
    watcher.look();
    if (closing.signal.aborted) watcher.giveUp(new Error('The stand-in server is closed.'));
    return quiet(promise);
  }

  async function close(): Promise<void> {
    closing.abort();
    const closed = new Promise<void>((resolve) => http.close(() => resolve()));
    for (const socket of sockets) socket.destroy();
    await closed;
    await Promise.all(exchanges);
    changed();
    const seen = `${calls.length} calls had come, ${sockets.size} connections were open`;
    for (const { giveUp } of watchers) giveUp(new Error(`The stand-in server was closed in the meantime: ${seen}.`));
    watchers.clear();
    if (failures.length > 0) throw new AggregateError(failures.splice(0), 'The stand-in server failed.');
  }
}

// --------------------------------------------------------------- the parts

type LoggedCall = { -readonly [Member in keyof Call]: Call[Member] };

interface Watcher {
  /** Checks the condition, and resolves the promise where it holds. */
  readonly look: () => void;
  readonly giveUp: (reason: Error) => void;
}

/** Prevents an unhandled rejection: a test that failed elsewhere may never await the promise. */
function quiet<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => {});
  return promise;
}

interface Route {
  readonly operation: Call['operation'];
  /** The model that `GET /v1/models/<id>` names. */
  readonly modelId: string | null;
}

function routeOf({ url = '' }: IncomingMessage): Route {
  const [path = ''] = url.split('?');
  const [, operation, modelId = null] =
    /^\/(?:v1|openai\/v1|openai\/deployments\/[^/]+|openai)\/(?:images\/(generations|edits)|models(?:\/([^/]+))?)$/.exec(
      path,
    ) ?? [null, path.startsWith('/files/') ? 'file' : 'unknown'];
  switch (operation) {
    case 'generations':
    case 'edits':
    case 'file':
    case 'unknown':
      return { operation, modelId: null };
    default:
      return { operation: 'models', modelId: modelId && decodeURIComponent(modelId) };
  }
}

function isImageOperation(operation: Call['operation']): operation is ImageOperation {
  return operation === 'generations' || operation === 'edits';
}

function keyOf(headers: IncomingHttpHeaders): string | null {
  const [, bearer] = /^Bearer (.+)$/i.exec(headers.authorization ?? '') ?? [];
  const { 'api-key': azureKey } = headers;
  return bearer ?? (typeof azureKey === 'string' ? azureKey : null);
}

function refused({ status, code, type, message, param }: Refusal): Behaviour {
  return answer({ name: `refused: ${code ?? status}`, status, json: { error: { message, type, param, code } } });
}

/** Answers 500 with the code `stand_in_failed`, or breaks off an answer that has begun. */
function failVisibly(response: ServerResponse, onStatus: (status: number) => void): Ending {
  if (response.headersSent) {
    response.destroy();
    return 'dropped';
  }
  onStatus(500);
  response.writeHead(500, { 'content-type': 'application/json' });
  response.end('{"error":{"code":"stand_in_failed","message":"The stand-in server failed."}}');
  return 'answered';
}

interface Content {
  readonly body: Record<string, unknown>;
  readonly files: readonly UploadedFile[];
  /** Whether it is a JSON object or a form. */
  readonly isReadable: boolean;
}

/** Reads the whole body; rejects when the client disconnects meanwhile. */
async function readBody(request: IncomingMessage): Promise<Content> {
  const bytes = Buffer.concat(await request.toArray());
  const type = request.headers['content-type'] ?? '';
  return type.startsWith('multipart/form-data') ? readForm(bytes, type) : withInlineFiles(readJson(bytes));
}

function readJson(bytes: Buffer): Content {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return { body: isObject ? { ...value } : {}, files: [], isReadable: isObject };
  } catch {
    return { body: {}, files: [], isReadable: false };
  }
}

/** Takes the pictures of an edit in JSON, `images: [{image_url}]` and `mask: {image_url}`, as files of a form; only data URLs hold some. */
function withInlineFiles({ body, files, isReadable }: Content): Content {
  const { images, mask, ...fields } = body;
  if (!Array.isArray(images)) return { body, files, isReadable };
  const named = [...images.map((image) => ['image[]', image] as const), ...(mask ? [['mask', mask] as const] : [])];
  const inline = named.map(([field, value]): UploadedFile => {
    const [, contentType = '', base64 = ''] =
      /^data:([^;,]*);base64,(.*)$/s.exec(String((value as { image_url?: unknown }).image_url)) ?? [];
    const bytes = Buffer.from(base64, 'base64');
    return { field, filename: 'inline', contentType, bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
  });
  return { body: fields, files: [...files, ...inline], isReadable };
}

async function readForm(bytes: Buffer, type: string): Promise<Content> {
  const fields: Record<string, string> = {};
  const files: UploadedFile[] = [];
  try {
    const form = await new Response(new Uint8Array(bytes), { headers: { 'content-type': type } }).formData();
    for (const [field, value] of form) {
      if (typeof value === 'string') fields[field] = value;
      else {
        const content = Buffer.from(await value.arrayBuffer());
        files.push({
          field,
          filename: value.name,
          contentType: value.type,
          bytes: content,
          sha256: createHash('sha256').update(content).digest('hex'),
        });
      }
    }
    return { body: typedFields(fields), files, isReadable: true };
  } catch {
    return { body: {}, files: [], isReadable: false };
  }
}

// ----------------------------------------------------------------- by hand

if (import.meta.main) {
  const port = process.argv[2] ?? '0';
  if (process.argv.length > 3 || !/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
    process.stderr.write(
      'usage: npm run stand-in -- [port], a stand-in for the OpenAI API on 127.0.0.1; a free port by default\n',
    );
    process.exit(2);
  }
  const server = await startOpenAiServer({
    port: Number(port),
    onEnd: ({ method, path, behaviour, status, ending, receivedAt, endedAt }) => {
      const milliseconds = Math.round((endedAt ?? receivedAt) - receivedAt);
      process.stdout.write(`${method} ${path} ${status} ${behaviour}, ${ending} after ${milliseconds} ms\n`);
    },
  });
  process.stdout.write(`OPENAI_BASE_URL=${server.baseUrl} OPENAI_API_KEY=${server.key}\n`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.close());
}
