import type { EventSourceMessage } from 'eventsource-parser';
import { expect, it } from 'vitest';
import type { Answer, Target } from '../../../src/cli/conformance/case.ts';
import {
  edited,
  modelList,
  modelRow,
  pictures,
  refused,
  requestId,
  stream,
} from '../../../src/cli/conformance/expectations.ts';
import { drawInputs } from '../../../src/cli/conformance/inputs.ts';

const inputs = await drawInputs('32x16');
const b64_json = inputs.picture.toString('base64');
const target: Target = {
  baseUrl: 'http://127.0.0.1:1/v1',
  key: null,
  model: 'gpt-image-2',
  size: '32x16',
  base: {},
  inputs,
};
const usage = {
  input_tokens: 7,
  input_tokens_details: { text_tokens: 2, image_tokens: 5 },
  output_tokens: 3,
  total_tokens: 10,
};
const made = { created: 1_790_000_000, data: [{ b64_json }], size: '32x16', output_format: 'png', usage };

function answerOf(json: unknown, more: Partial<Answer> = {}): Answer {
  return {
    status: 200,
    headers: new Headers(),
    text: JSON.stringify(json) ?? '',
    json,
    events: [],
    download: () => Promise.reject(new Error('gone')),
    ...more,
  };
}

function streamOf(...events: readonly (readonly [name: string | undefined, fields: object | string])[]): Answer {
  const sent = events.map(
    ([event, fields]): EventSourceMessage => ({
      id: undefined,
      event,
      data: typeof fields === 'string' ? fields : JSON.stringify(fields),
    }),
  );
  return answerOf(undefined, { headers: new Headers({ 'content-type': 'text/event-stream' }), events: sent });
}

const partial = (index: number) =>
  ['image_edit.partial_image', { type: 'image_edit.partial_image', b64_json, partial_image_index: index }] as const;
const completed = ['image_edit.completed', { type: 'image_edit.completed', b64_json, usage }] as const;
const row = { id: 'gpt-image-2', object: 'model', created: 1_776_729_600, owned_by: 'system' };
const error = { message: 'no', type: 'invalid_request_error', code: null, param: null };

it.each<readonly [string, Answer, readonly string[]]>([
  ['is as published', answerOf(made), []],
  [
    'has its time in milliseconds',
    answerOf({ ...made, created: 1_790_000_000_000 }),
    ['`created` is 1790000000000, not seconds since 1970'],
  ],
  ['has no time', answerOf({ ...made, created: undefined }), ['`created` is missing, not seconds since 1970']],
  ['says another size', answerOf({ ...made, size: 'auto' }), ['`size` says "auto" of a picture of 32x16']],
  [
    'says another format',
    answerOf({ ...made, output_format: 'webp' }),
    ['`output_format` says "webp" of a picture that is png'],
  ],
  ['has no list', answerOf({ ...made, data: { b64_json } }), ['`data` is {"b64_json":', 'where 1 was asked for']],
  [
    'has bytes that are no picture',
    answerOf({ ...made, data: [{ b64_json: 'AAAA' }] }),
    ['the picture in `data[0]` does not decode'],
  ],
  ['has a picture cut short', answerOf({ ...made, data: [{ b64_json: b64_json.slice(0, 60) }] }), ['does not decode']],
  ['has neither', answerOf({ ...made, data: [{}] }), ['`data[0]` has neither `b64_json` nor `url`']],
  ['is no JSON', answerOf(undefined, { text: 'OK' }), ['the answer is no JSON object: OK']],
  [
    'counts wrongly',
    answerOf({ ...made, usage: { ...usage, total_tokens: 11 } }),
    ['`usage.total_tokens` is not the sum'],
  ],
  [
    'counts in words',
    answerOf({ ...made, usage: { ...usage, output_tokens: '3' } }),
    ['`usage.output_tokens` is "3", not a count'],
  ],
])('a picture %s', async (_what, answer, findings) => {
  expectFindings(await pictures()(answer, target), findings);
});

it('asks no usage and no base64 of a DALL-E model', async () => {
  const download = () => Promise.resolve(inputs.picture);
  const answer = answerOf({ created: made.created, data: [{ url: 'http://127.0.0.1:1/1.png' }] }, { download });
  expect(await pictures()(answer, { ...target, model: 'dall-e-3' })).toEqual([]);
  expect(await pictures()(answer, target)).toHaveLength(2);
});

it('finds an edit whose usage counts no input', async () => {
  expect(await edited(answerOf(made), target)).toEqual([]);
  const unseen = { ...usage, input_tokens_details: { text_tokens: 7, image_tokens: 0 } };
  expectFindings(await edited(answerOf({ ...made, usage: unseen }), target), ['`usage` counts no tokens of an image']);
});

it.each<readonly [string, Answer, readonly string[]]>([
  ['is as published', streamOf(partial(0), partial(1), completed), []],
  ['ends with a mark of its own', streamOf(completed, [undefined, '[DONE]']), []],
  ['has no end', streamOf(partial(0)), ['no `image_edit.completed` ends the stream']],
  ['goes on after its end', streamOf(completed, partial(0)), ['events come after `image_edit.completed`']],
  ['ends twice', streamOf(completed, completed), ['there is more than one `image_edit.completed`']],
  ['counts from 1', streamOf(partial(1), completed), ['`partial_image_index` is 1 where 0 comes next']],
  [
    'has more than it was asked for',
    streamOf(partial(0), partial(1), partial(2), completed),
    ['3 partial pictures come where 2 was'],
  ],
  [
    'names its events otherwise',
    streamOf(['message', completed[1]]),
    ['an event is named `message`, and its `type` is'],
  ],
  [
    'has the events of generations',
    streamOf(['image_generation.completed', {}], completed),
    ['there is an event `image_generation.completed`'],
  ],
  ['has no usage', streamOf([completed[0], { ...completed[1], usage: null }]), ['`usage` is missing']],
  ['has an event without a picture', streamOf([completed[0], { ...completed[1], b64_json: null }]), ['has neither']],
])('a stream that %s', async (_what, answer, findings) => {
  expectFindings(await stream('image_edit', 2)(answer, target), findings);
});

it.each<readonly [string, Answer, readonly string[]]>([
  ['is as published', answerOf({ error: { ...error, param: 'n', code: 'bad' } }, { status: 400 }), []],
  [
    'has another status',
    answerOf({ error: { ...error, param: 'n', code: 'bad' } }, { status: 422 }),
    ['it answers 422 where 400'],
  ],
  [
    'names nothing',
    answerOf({ error }, { status: 400 }),
    ['`error.code` is null, not "bad"', '`error.param` is null, not "n"'],
  ],
  [
    'has a number as code',
    answerOf({ error: { ...error, param: 'n', code: 400 } }, { status: 400 }),
    ['`error.code` is 400, not text', '`error.code` is 400, not "bad"'],
  ],
  [
    'has no type',
    answerOf({ error: { message: 'no', param: 'n', code: 'bad' } }, { status: 400 }),
    ['`error.type` is missing, not text'],
  ],
  ['is text', answerOf({ error: 'no' }, { status: 400 }), ['the body of the error is not']],
])('an error that %s', async (_what, answer, findings) => {
  expectFindings(await refused({ status: 400, code: 'bad', param: 'n' })(answer, target), findings);
});

it.each<readonly [string, Answer, readonly string[]]>([
  ['is as published', answerOf({ object: 'list', data: [row] }), []],
  ['is empty', answerOf({ object: 'list', data: [] }), ['the list is empty']],
  ['is named otherwise', answerOf({ models: [row] }), ['`data` is missing, not a list of models']],
  [
    'has rows without an owner',
    answerOf({ object: 'list', data: [row, { ...row, owned_by: null }] }),
    ['`data[1]` is not'],
  ],
  ['is no list by its word', answerOf({ data: [row] }), ['`object` is missing, not "list"']],
  ['is missing', answerOf(undefined, { status: 404, text: 'no page' }), ['it answers 404: no page']],
])('a list of models that %s', async (_what, answer, findings) => {
  expectFindings(await modelList(answer, target), findings);
});

it('finds a model by another name, and an answer without a request id', async () => {
  expect(await modelRow(answerOf(row), target)).toEqual([]);
  expect(await modelRow(answerOf({ ...row, id: 'other' }), target)).toEqual(['`id` is "other", not "gpt-image-2"']);
  expect(await requestId(answerOf(row), target)).toEqual(['the answer has no header `x-request-id`']);
  expect(await requestId(answerOf(row, { headers: new Headers({ 'x-request-id': '1' }) }), target)).toEqual([]);
});

/** All of these texts are in what is found, which may be more: one fault can show in two ways. Nothing is found where there is no text. */
function expectFindings(found: readonly string[], wanted: readonly string[]): void {
  if (wanted.length === 0) expect(found).toEqual([]);
  for (const text of wanted) expect(found.join('\n')).toContain(text);
}
