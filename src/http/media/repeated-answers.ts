import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import type { MediaFile } from '../../core/domain/image.ts';
import type { PublishedPictures } from '../../core/images/published-file.ts';
import type { CountRequest } from '../../core/ports/telemetry.ts';
import { countHosts } from '../connections/broken-request.ts';
import { logRequest, observedStatus, requestId } from '../monitoring/request-log.ts';
import { pathOf } from '../protocol/problem.ts';
import type { HotFiles } from './hot-files.ts';

/** Hands a request to the app. */
export type Route = (request: IncomingMessage, response: ServerResponse) => void;

/** Answers repeated requests for popular pictures ahead of the app. */
export interface RepeatedAnswers {
  /**
   * Keeps the headers with which the app is about to answer: those of the whole file, or, where `status` is 304, those of a copy that
   * is still good. Passes over a request that `answer` would not take.
   */
  keep(request: FastifyRequest, reply: FastifyReply, file: MediaFile, status: 200 | 304): void;
  /** Answers as the app has answered the same request before, or hands the request to `route`. */
  answer(request: IncomingMessage, response: ServerResponse, route: Route): void;
  /** Begins to answer; before, every request goes to the app. */
  open(surroundings: Surroundings): void;
}

interface Surroundings {
  readonly log: FastifyBaseLogger;
  /** Notes that the connection is being answered. */
  readonly noteRequest: (socket: Socket, response: ServerResponse) => void;
  /** True once the service stops: the app then ends each connection with its answer. */
  readonly stopping: () => boolean;
}

interface KeptAnswer {
  readonly name: string;
  readonly sha256: string;
  readonly etag: string;
  readonly route: string;
  /** The path without its query, for the log. */
  readonly path: string;
  /** Names and values in turn, without the request's id; null where the app has not answered so yet. */
  whole: readonly string[] | null;
  notModified: readonly string[] | null;
}

/** Most URLs whose headers are kept, of some 2 KB each. */
const MAX_KEPT = 2_000;

/** Headers of a request that may change the answer, besides `If-None-Match`: the app answers requests that have one. */
const DECISIVE_HEADERS = [
  'range',
  'if-match',
  'origin',
  'content-length',
  'transfer-encoding',
  'content-encoding',
] as const;

/**
 * Remembers by URL with which headers the app answered a request for a file of the memory cache, and gives the same answer again
 * without routing, hooks and header building, which take more time than all else about a small picture.
 *
 * Nothing that can change is remembered: the record is looked up each time, and where it has another file by now, or the bytes are
 * not in memory any more, the app answers. Only for pictures that everyone may see, without a limit of requests: who asks must not
 * matter. Each answer has its own request id, and is logged and counted as the app does it.
 */
export function createRepeatedAnswers({
  pictures,
  hot,
  count,
}: {
  readonly pictures: Pick<PublishedPictures, 'find'>;
  readonly hot: Pick<HotFiles, 'hit'>;
  readonly count: CountRequest;
}): RepeatedAnswers {
  const kept = new LRUCache<string, KeptAnswer>({ max: MAX_KEPT });
  let surroundings: Surroundings | null = null;

  async function repeat(
    answer: KeptAnswer,
    { log, noteRequest, stopping }: Surroundings,
    request: IncomingMessage,
    response: ServerResponse,
    route: Route,
  ): Promise<void> {
    const startedAt = performance.now();
    const id = requestId(request);
    const end = () => {
      const ms = performance.now() - startedAt;
      const status = observedStatus(response);
      count('GET', answer.route, status, ms / 1000, null);
      log.info(logRequest(id, 'GET', answer.route, answer.path, status, ms), 'request');
    };
    // Emitted once, and cheaper than `once`.
    response.on('close', end);
    noteRequest(request.socket, response);

    // The app repeats a look-up that fails, and answers with its error.
    const published = await pictures.find(answer.name).catch(() => null);
    // The client is gone, which `end` has logged.
    if (response.closed) return;
    const file = published?.file ?? null;
    if (file?.sha256 === answer.sha256 && !stopping()) {
      const isGood = request.headers['if-none-match'] === answer.etag;
      const headers = isGood ? answer.notModified : answer.whole;
      const bytes = isGood ? NO_BYTES : hot.hit(file);
      if (headers !== null && bytes !== null) {
        response.writeHead(isGood ? 304 : 200, ['x-request-id', id, ...headers]);
        if (isGood) response.end();
        else response.end(bytes);
        return;
      }
    }
    response.off('close', end);
    route(request, response);
  }

  return {
    keep(request, reply, { name, sha256 }, status) {
      const { url } = request.raw;
      if (url === undefined || !isPlain(request.raw)) return;
      let answer = kept.get(url);
      if (answer?.sha256 !== sha256 || answer.name !== name) {
        const { url: route = '' } = request.routeOptions;
        answer = { name, sha256, etag: `"${sha256}"`, route, path: pathOf(request), whole: null, notModified: null };
        kept.set(url, answer);
      }
      if (status === 304) answer.notModified ??= headersOf(reply);
      else answer.whole ??= headersOf(reply);
    },

    answer(request, response, route) {
      const answer = surroundings === null ? undefined : kept.get(request.url ?? '');
      if (answer !== undefined && surroundings?.stopping() === false && isRepeat(request, answer)) {
        void repeat(answer, surroundings, request, response, route);
      } else route(request, response);
    },

    open(given) {
      surroundings = given;
    },
  };
}

const NO_BYTES = new Uint8Array();

/** True for a request for the whole file, or whether the version that the app has answered with is still good. */
function isRepeat(request: IncomingMessage, { etag }: KeptAnswer): boolean {
  const tag = request.headers['if-none-match'];
  return isPlain(request) && (tag === undefined || tag === etag);
}

/** True for a GET whose answer depends on nothing but its URL and `If-None-Match`. */
function isPlain({ method, httpVersion, headers, rawHeaders }: IncomingMessage): boolean {
  if (method !== 'GET' || httpVersion !== '1.1') return false;
  for (const name of DECISIVE_HEADERS) if (headers[name] !== undefined) return false;
  return countHosts(rawHeaders) === 1;
}

function headersOf(reply: FastifyReply): readonly string[] {
  return Object.entries(reply.getHeaders()).flatMap(([name, value]) =>
    name === 'x-request-id' || value === undefined ? [] : [name, String(value)],
  );
}
