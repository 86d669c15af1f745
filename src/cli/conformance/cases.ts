/**
 * The dialect as cases: what the published API of OpenAI's images promises (its description and the types of the `openai` package
 * 7.57.0), where a client can see it without a large bill. The cases of one run are sent in this order, each once.
 */

import type { Case, FormPart, Sending, Target } from './case.ts';
import { edited, either, modelList, modelRow, pictures, refused, requestId, stream } from './expectations.ts';

const NO_SUCH_MODEL = 'easel-conformance-no-such-model';

function generation(target: Target, more: Readonly<Record<string, unknown>> = {}): Sending {
  return { method: 'POST', path: '/images/generations', json: { ...target.base, ...more } };
}

function edit(target: Target, ...more: readonly FormPart[]): Sending {
  const fields = Object.entries(target.base).map(([name, value]): FormPart => [name, String(value)]);
  return { method: 'POST', path: '/images/edits', form: [...fields, ...more] };
}

/** The first picture, for which the runner finds the parameters that the server takes. */
export const FIRST_PICTURE: Case = {
  name: 'generations/picture',
  promise: 'a picture of the wanted size in base64, with its usage',
  pictures: 1,
  send: (target) => generation(target),
  expect: [pictures()],
};

const MODELS: readonly Case[] = [
  {
    name: 'models/list',
    promise: 'GET /models lists the models',
    pictures: 0,
    send: () => ({ method: 'GET', path: '/models' }),
    expect: [modelList],
  },
  {
    name: 'models/one',
    promise: 'GET /models/{model} gives one of them',
    pictures: 0,
    send: ({ model }) => ({ method: 'GET', path: `/models/${encodeURIComponent(model)}` }),
    expect: [modelRow],
  },
  {
    name: 'models/unknown',
    promise: 'an unknown model is 404 model_not_found',
    pictures: 0,
    send: () => ({ method: 'GET', path: `/models/${NO_SUCH_MODEL}` }),
    expect: [refused({ status: 404, code: 'model_not_found' })],
  },
  {
    name: 'headers/request-id',
    promise: 'every answer has an x-request-id',
    pictures: 0,
    send: () => ({ method: 'GET', path: '/models' }),
    expect: [requestId],
  },
  {
    name: 'errors/key',
    promise: 'a wrong key is 401 invalid_api_key',
    pictures: 0,
    needs: 'key',
    send: () => ({ method: 'GET', path: '/models', key: 'sk-easel-conformance-wrong' }),
    expect: [refused({ status: 401, code: 'invalid_api_key' })],
  },
];

const GENERATIONS: readonly Case[] = [
  {
    name: 'generations/n',
    promise: '`n` is how many pictures come',
    pictures: 2,
    needs: 'picture',
    omittable: ['n'],
    send: (target) => generation(target, { n: 2 }),
    expect: [pictures({ count: 2 })],
  },
  {
    name: 'generations/auto-size',
    promise: '`size` may be "auto"',
    pictures: 1,
    needs: 'picture',
    send: (target) => generation(target, { size: 'auto' }),
    expect: [pictures({ sized: false })],
  },
  {
    name: 'generations/output_format',
    promise: '`output_format` is the format of the picture',
    pictures: 1,
    needs: 'picture',
    omittable: ['output_format'],
    send: (target) => generation(target, { output_format: 'jpeg' }),
    expect: [pictures({ format: 'jpeg' })],
  },
  {
    name: 'generations/output_compression',
    promise: '`output_compression` is taken for webp',
    pictures: 1,
    needs: 'picture',
    omittable: ['output_compression', 'output_format'],
    send: (target) => generation(target, { output_format: 'webp', output_compression: 50 }),
    expect: [pictures({ format: 'webp' })],
  },
  {
    name: 'generations/background',
    promise: '`background` is taken',
    pictures: 1,
    needs: 'picture',
    omittable: ['background'],
    send: (target) => generation(target, { background: 'opaque' }),
    expect: [pictures()],
  },
  {
    name: 'generations/moderation',
    promise: '`moderation` is taken',
    pictures: 1,
    needs: 'picture',
    omittable: ['moderation'],
    send: (target) => generation(target, { moderation: 'low' }),
    expect: [pictures()],
  },
  {
    name: 'generations/safety_identifier',
    promise: '`safety_identifier` is taken',
    pictures: 1,
    needs: 'picture',
    omittable: ['safety_identifier'],
    send: (target) => generation(target, { safety_identifier: 'easel-conformance' }),
    expect: [pictures()],
  },
  {
    name: 'generations/response_format',
    promise: '`response_format` "url" gives a URL, or is 400 unknown_parameter',
    pictures: 1,
    needs: 'picture',
    send: (target) => generation(target, { response_format: 'url' }),
    expect: [
      either(pictures({ url: true }), refused({ status: 400, code: 'unknown_parameter', param: 'response_format' })),
    ],
    note: ({ status }) => (status === 200 ? 'taken' : 'refused, as GPT Image models do'),
  },
  {
    name: 'generations/unknown-parameter',
    promise: 'an unknown parameter is left out of account, or is 400 unknown_parameter',
    pictures: 1,
    needs: 'picture',
    send: (target) => generation(target, { easel_conformance: true }),
    expect: [either(pictures(), refused({ status: 400, code: 'unknown_parameter', param: 'easel_conformance' }))],
    note: ({ status }) => (status === 200 ? 'left out of account' : 'refused'),
  },
  {
    name: 'generations/stream',
    promise: '`stream` gives partial pictures and the picture as events',
    pictures: 1,
    needs: 'picture',
    flag: 'STREAMING',
    send: (target) => generation(target, { stream: true, partial_images: 1 }),
    expect: [stream('image_generation', 1)],
  },
];

const ERRORS: readonly Case[] = [
  {
    name: 'errors/json',
    promise: 'a body that is no JSON is 400',
    pictures: 0,
    send: () => ({ method: 'POST', path: '/images/generations', text: '{"prompt": ' }),
    expect: [refused({ status: 400 })],
  },
  {
    name: 'errors/prompt',
    promise: 'no prompt is 400, with its param',
    pictures: 1,
    send: (target) => generation(target, { prompt: undefined }),
    expect: [refused({ status: 400, param: 'prompt' })],
  },
  {
    name: 'errors/model',
    promise: 'an unknown model is 404 model_not_found',
    pictures: 1,
    send: (target) => generation(target, { model: NO_SUCH_MODEL }),
    expect: [refused({ status: 404, code: 'model_not_found' })],
  },
  {
    name: 'errors/size',
    promise: 'a size that is none is 400, with its param',
    pictures: 1,
    send: (target) => generation(target, { size: '7x7' }),
    expect: [refused({ status: 400, param: 'size' })],
  },
  {
    name: 'errors/quality',
    promise: 'a quality that is none is 400, with its param',
    pictures: 1,
    send: (target) => generation(target, { quality: 'easel' }),
    expect: [refused({ status: 400, param: 'quality' })],
  },
  {
    name: 'errors/n',
    promise: '`n` 0 is 400, with its param',
    pictures: 1,
    send: (target) => generation(target, { n: 0 }),
    expect: [refused({ status: 400, param: 'n' })],
  },
];

/** The first edit, which says whether there are any. */
export const FIRST_EDIT: Case = {
  name: 'edits/image',
  promise: 'a form with `image` is edited',
  pictures: 1,
  needs: 'picture',
  flag: 'EDITS',
  send: (target) => edit(target, ['image', target.inputs.picture]),
  expect: [edited],
};

const EDITS: readonly Case[] = [
  FIRST_EDIT,
  {
    name: 'edits/images',
    promise: 'a form with several `image[]` is edited',
    pictures: 1,
    needs: 'edit',
    send: (target) => edit(target, ['image[]', target.inputs.picture], ['image[]', target.inputs.picture]),
    expect: [edited],
  },
  {
    name: 'edits/mask',
    promise: 'a form with `mask` is edited, its parts in any order',
    pictures: 1,
    needs: 'edit',
    send: (target) => {
      const { form = [], ...sending } = edit(target);
      return { ...sending, form: [['mask', target.inputs.mask], ['image', target.inputs.picture], ...form] };
    },
    expect: [edited],
  },
  {
    name: 'edits/json',
    promise: 'JSON with `images` is edited',
    pictures: 1,
    needs: 'edit',
    send: ({ base, inputs }) => ({
      method: 'POST',
      path: '/images/edits',
      json: { ...base, images: [{ image_url: `data:image/png;base64,${inputs.picture.toString('base64')}` }] },
    }),
    expect: [edited],
  },
  {
    name: 'edits/stream',
    promise: '`stream` gives partial pictures and the picture as events',
    pictures: 1,
    needs: 'edit',
    send: (target) => edit(target, ['image', target.inputs.picture], ['stream', 'true'], ['partial_images', '1']),
    expect: [stream('image_edit', 1)],
  },
  {
    name: 'edits/no-image',
    promise: 'a form without a picture is 400, with its param',
    pictures: 1,
    needs: 'edit',
    send: (target) => edit(target),
    expect: [refused({ status: 400, param: 'image' })],
  },
  {
    name: 'edits/broken-image',
    promise: 'a file that is no picture is 400',
    pictures: 1,
    needs: 'edit',
    send: (target) => edit(target, ['image', Buffer.from('This is no picture.\n')]),
    expect: [refused({ status: 400 })],
  },
];

/** Every case, in the order of a run; without edits where they are not to be tried. */
export function casesOf({ edits }: { readonly edits: boolean }): readonly Case[] {
  return [...MODELS, FIRST_PICTURE, ...GENERATIONS, ...ERRORS, ...(edits ? EDITS : [])];
}

/** The most pictures that a server may make of these cases. */
export function mostPictures(cases: readonly Case[]): number {
  return cases.reduce((sum, { pictures }) => sum + pictures, 0);
}
