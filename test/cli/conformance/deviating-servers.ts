/** Servers that call themselves compatible, as the stand-in can be made to behave: what they do, and what is to be found of it. */

import { answer, type Behaviour, openAiError, picture, textError, vllmError } from '../../support/openai/answers.ts';
import type { Call } from '../../support/openai/call.ts';
import type { WantedPicture } from '../../support/openai/dialect.ts';
import type { OpenAiServer } from '../../support/openai/server.ts';

export interface DeviatingServer {
  readonly what: string;
  readonly arrange: (server: OpenAiServer) => void;
  /** The cases that deviate, with words of one of the findings. */
  readonly deviates: Readonly<Record<string, RegExp>>;
  /** Cases that cannot be tried. */
  readonly untried?: readonly string[];
  /** The settings that fit it, `VARIABLE=value`. */
  readonly settings: readonly string[];
}

const EDITS = ['images', 'mask', 'json', 'stream', 'no-image', 'broken-image'].map((name) => `edits/${name}`);

/** A picture as if the call had asked otherwise. */
function as(change: Partial<WantedPicture>, options: Parameters<typeof picture>[0] = {}): Behaviour {
  const painted = picture(options);
  return {
    ...painted,
    answer: (call, site) => painted.answer(call, { ...site, wanted: { ...site.wanted, ...change } }),
  };
}

/** Refuses calls that bear the parameter, as an API does that has no such parameter. */
function refusing(param: string, message = `Argument not supported: ${param}`) {
  return ({ body }: Call): Behaviour =>
    param in body ? openAiError('moderation_blocked', { code: 'invalid_argument', message, param: null }) : picture();
}

const PICTURES_OF_ONE = [
  'generations/picture',
  'generations/auto-size',
  'generations/background',
  'generations/moderation',
  'generations/safety_identifier',
  'edits/image',
  'edits/images',
  'edits/mask',
  'edits/json',
];

const every = (names: readonly string[], finding: RegExp) => Object.fromEntries(names.map((name) => [name, finding]));

export const DEVIATING_SERVERS: readonly DeviatingServer[] = [
  {
    what: 'refuses n above 1',
    arrange: (server) =>
      server.always(({ body }) =>
        Number(body.n) > 1 ? openAiError('conflict', { status: 400, param: 'n', message: 'one at a time' }) : picture(),
      ),
    deviates: { 'generations/n': /answers 400: one at a time/ },
    settings: ['OMIT=n'],
  },
  {
    what: 'makes one picture whatever n is',
    arrange: (server) => server.always(as({ count: 1 })),
    deviates: { 'generations/n': /`data` has 1 entries where 2 was asked for/ },
    settings: [],
  },
  {
    what: 'does not stream',
    arrange: (server) => server.always(as({ stream: false })),
    deviates: every(['generations/stream', 'edits/stream'], /answers application\/json in place of a stream/),
    settings: ['STREAMING=false'],
  },
  {
    what: 'refuses to stream',
    arrange: (server) =>
      server.always(({ body }) =>
        body.stream ? openAiError('conflict', { status: 400, param: 'stream', message: 'no streaming' }) : picture(),
      ),
    deviates: every(['generations/stream', 'edits/stream'], /answers 400: no streaming/),
    settings: ['STREAMING=false'],
  },
  {
    what: 'ends its stream with an error',
    arrange: (server) => server.always(picture({ streamError: 'server_error' })),
    deviates: every(['generations/stream', 'edits/stream'], /an event `error`/),
    settings: [],
  },
  {
    what: 'answers URLs, as LocalAI does',
    arrange: (server) => server.always(picture({ as: 'url' })),
    deviates: {
      ...every([...PICTURES_OF_ONE, 'generations/n'], /answers `url` where GPT Image models answer `b64_json`/),
      ...every(['generations/output_format', 'generations/output_compression'], /answers `url`/),
    },
    settings: [],
  },
  {
    what: 'answers URLs that lead nowhere',
    arrange: (server) => server.always(picture({ as: 'url', file: textError(404, 'gone') })),
    deviates: {
      ...every([...PICTURES_OF_ONE, 'generations/n'], /cannot be fetched: its URL answers 404/),
      ...every(['generations/output_format', 'generations/output_compression'], /answers 404/),
    },
    settings: [],
  },
  {
    what: 'counts no usage',
    arrange: (server) => server.always(picture({ usage: null })),
    deviates: every(
      [
        ...PICTURES_OF_ONE,
        ...['n', 'output_format', 'output_compression', 'stream'].map((name) => `generations/${name}`),
        'edits/stream',
      ],
      /`usage` is missing/,
    ),
    settings: [],
  },
  {
    what: 'refuses size, as xAI does, without naming it as param',
    arrange: (server) => {
      server.strict = false;
      server.always(refusing('size'));
    },
    deviates: {
      'generations/picture': /it refuses `size`/,
      'generations/auto-size': /answers 400: Argument not supported: size/,
      'errors/size': /`error.param` is null/,
      ...every(
        ['errors/prompt', 'errors/model', 'errors/quality', 'errors/n', 'edits/no-image', 'edits/broken-image'],
        /./,
      ),
    },
    settings: ['OMIT=size'],
  },
  {
    what: 'refuses quality, and does not say what it refuses',
    arrange: (server) => {
      server.strict = false;
      server.always(refusing('quality', 'bad request'));
    },
    deviates: {
      'generations/picture': /it refuses `quality`/,
      'errors/quality': /`error.param` is null/,
      ...every(
        ['errors/prompt', 'errors/model', 'errors/size', 'errors/n', 'edits/no-image', 'edits/broken-image'],
        /./,
      ),
    },
    settings: ['OMIT=quality'],
  },
  {
    what: 'has no edits',
    arrange: (server) =>
      server.always(({ operation }) => (operation === 'edits' ? textError(404, '404 page not found') : picture())),
    deviates: { 'edits/image': /answers 404: 404 page not found/ },
    untried: EDITS,
    settings: ['EDITS=false'],
  },
  {
    what: 'paints always png, and breaks on a format',
    arrange: (server) =>
      server.always(({ body }) => ('output_format' in body ? openAiError('server_error') : picture())),
    deviates: every(['generations/output_format', 'generations/output_compression'], /answers 500/),
    // The refusal does not say which of the two it is about.
    settings: ['OMIT=output_format,output_compression'],
  },
  {
    what: 'refuses with a detail, as vLLM does, and whatever it is asked',
    arrange: (server) => {
      server.strict = false;
      server.always(vllmError(400, 'the model is not loaded'));
    },
    deviates: {
      'generations/picture': /answers 400: \{"detail":"the model is not loaded"\}/,
      ...every(
        ['errors/prompt', 'errors/model', 'errors/size', 'errors/quality', 'errors/n'],
        /the body of the error is not/,
      ),
    },
    untried: [
      ...['n', 'auto-size', 'output_format', 'output_compression', 'background', 'moderation', 'safety_identifier'],
      ...['response_format', 'unknown-parameter', 'stream'],
    ]
      .map((name) => `generations/${name}`)
      .concat('edits/image', EDITS),
    settings: [],
  },
  {
    what: 'answers 200 without a picture, as xAI does for a refused prompt',
    arrange: (server) => server.always(answer({ json: { created: 1_790_000_000, data: [] } })),
    deviates: { 'generations/picture': /`data` has 0 entries/ },
    untried: [
      ...['n', 'auto-size', 'output_format', 'output_compression', 'background', 'moderation', 'safety_identifier'],
      ...['response_format', 'unknown-parameter', 'stream'],
    ]
      .map((name) => `generations/${name}`)
      .concat('edits/image', EDITS),
    settings: [],
  },
  {
    what: 'paints another size than it is asked for, and says otherwise',
    arrange: (server) => server.always(as({}, { size: '512x512' })),
    deviates: {
      ...every(
        PICTURES_OF_ONE.filter((name) => name !== 'generations/auto-size'),
        /is 512x512 where 816x816 was asked for/,
      ),
      ...every(
        [
          ...['n', 'output_format', 'output_compression', 'stream'].map((name) => `generations/${name}`),
          'edits/stream',
        ],
        /is 512x512 where/,
      ),
    },
    settings: [],
  },
];
