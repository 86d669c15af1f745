import { describe, expect, test } from 'vitest';
import { openAiTask } from '../../../src/api/openai/tasks.ts';
import { type Easel, startEasel } from '../../support/app/easel.ts';
import { startReceiver, TEST_SECRET } from '../../support/network/webhook-receiver.ts';
import { openAiError, picture } from '../../support/openai/answers.ts';
import { bearer, TEST_KEYS } from '../../support/test-keys.ts';
import { eventually } from '../../support/until.ts';

const REQUEST = { prompt: 'a lighthouse', size: '1024x640' };

async function post(
  easel: Pick<Easel, 'url'>,
  path: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
) {
  return await fetch(`${easel.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

async function taskAt(easel: Easel, id: string, query = '') {
  const response = await easel.get(`/v1/images/tasks/${id}${query}`);
  expect(response.status).toBe(200);
  return { response, task: openAiTask.parse(await response.json()) };
}

const ended = (easel: Easel, id: string, query?: string) =>
  eventually(async () => {
    const { task } = await taskAt(easel, id, query);
    if (task.status === 'queued' || task.status === 'in_progress') throw new Error(`the task is ${task.status}`);
    return task;
  });

describe('a task', () => {
  test.each([
    ['its own route', '/v1/images/generations/async', {}, null],
    ['Prefer', '/v1/images/generations', { prefer: 'respond-async' }, 'respond-async'],
  ] as const)('is accepted at once by %s, and has the result by URL', async (_name, path, headers, applied) => {
    await using easel = await startEasel({ skipMs: 0 });
    const gate = easel.upstream.gate();
    easel.upstream.always(picture({ beforeHeaders: gate }));

    const accepted = await post(easel, path, { ...REQUEST, n: 2 }, headers);
    expect(accepted.status).toBe(202);
    const { id, object, status } = openAiTask.parse(await accepted.json());
    expect([object, ['queued', 'in_progress'].includes(status)]).toEqual(['image.task', true]);
    expect(accepted.headers.get('location')).toBe(`/v1/images/tasks/${id}`);
    expect(accepted.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(accepted.headers.get('preference-applied')).toBe(applied);
    expect(accepted.headers.get('x-easel-media-id')?.split(',')[0]).toBe(id);
    await easel.upstream.received(2);
    const { task: running, response } = await taskAt(easel, id);
    expect(running).toEqual({ id, object: 'image.task', status: 'in_progress', created_at: running.created_at });
    expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
    gate.open();

    const task = await ended(easel, id);
    expect(task.status).toBe('completed');
    const urls = task.result?.data.map(({ url }) => url ?? '') ?? [];
    expect(urls).toHaveLength(2);
    for (const url of urls) expect((await fetch(url)).status).toBe(200);
    const { task: inFull } = await taskAt(easel, id, '?response_format=b64_json');
    expect(inFull.result?.data.map(({ b64_json }) => (b64_json ?? '').length > 1_000)).toEqual([true, true]);
  });

  test('has the error of its failure', async () => {
    await using easel = await startEasel({ skipMs: 0 });
    easel.upstream.always(openAiError('moderation_blocked'));
    const { id } = openAiTask.parse(await (await post(easel, '/v1/images/generations/async', REQUEST)).json());
    const task = await ended(easel, id);
    expect(task).toMatchObject({ status: 'failed', error: { code: 'moderation_blocked', param: null } });
  });

  test('is cancelled with its picture', async () => {
    await using easel = await startEasel({ skipMs: 0 });
    easel.upstream.always(picture({ beforeHeaders: easel.upstream.gate() }));
    const { id } = openAiTask.parse(await (await post(easel, '/v1/images/generations/async', REQUEST)).json());
    await easel.upstream.received(1);
    await easel.cancel(id);
    expect(await ended(easel, id)).toMatchObject({ status: 'cancelled', error: { code: 'cancelled' } });
  });

  test('is any picture of POST /images', async () => {
    await using easel = await startEasel();
    await easel.post({ mediaId: 'article-42', ...REQUEST });
    expect(await ended(easel, 'article-42')).toMatchObject({ status: 'completed', result: { size: '1024x640' } });
  });

  test('that is not there is 404 in the shape of the dialect', async () => {
    await using easel = await startEasel();
    const response = await easel.get('/v1/images/tasks/none');
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ error: { code: 'not_found', type: 'invalid_request_error' } });
  });

  test('of another key is not there', async () => {
    await using easel = await startEasel({ env: { API_KEYS: TEST_KEYS } });
    const accepted = await post(easel, '/v1/images/generations/async', REQUEST, bearer('blog'));
    const { id } = openAiTask.parse(await accepted.json());
    const statusFor = async (key: string) => (await easel.get(`/v1/images/tasks/${id}`, bearer(key))).status;
    expect([await statusFor('blog'), await statusFor('shop'), await statusFor('desk')]).toEqual([200, 404, 200]);
  });

  test('calls the webhook that it names', async () => {
    await using receiver = await startReceiver();
    await using easel = await startEasel({ env: { WEBHOOK_SECRET: TEST_SECRET, WEBHOOK_ALLOW_HOSTS: '127.0.0.1' } });
    await post(easel, '/v1/images/generations/async', { ...REQUEST, webhook_url: receiver.url });
    await eventually(() => expect(receiver.received[0]?.message.type).toBe('image.succeeded'));
  });

  test('goes on after a crash in the middle of its call, which is made once more at most', async () => {
    await using easel = await startEasel({ skipMs: 0 });
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    const { id } = openAiTask.parse(await (await post(easel, '/v1/images/generations/async', REQUEST)).json());
    await easel.upstream.received(1);
    await using left = await easel.leftByCrash();
    await using next = await startEasel({ folder: left.path, upstream: easel.upstream });
    expect(await ended(next, id)).toMatchObject({ id, status: 'completed' });
    expect(easel.upstream.calls.length).toBeLessThanOrEqual(2);
    gate.open();
  });

  test('is counted by the template of its route', async () => {
    await using easel = await startEasel();
    await easel.get('/v1/images/tasks/none');
    const metrics = await (await easel.get('/metrics')).text();
    expect(metrics).toContain('route="/v1/images/tasks/:id"');
  });

  test('outlasts a crash, and is called for once', async () => {
    await using easel = await startEasel({ skipMs: 0 });
    const accepted = await post(easel, '/v1/images/generations/async', REQUEST);
    const { id } = openAiTask.parse(await accepted.json());
    await ended(easel, id);
    await using left = await easel.leftByCrash();
    await using next = await startEasel({ folder: left.path });
    expect((await ended(next, id)).result?.data).toHaveLength(1);
    expect(next.upstream.calls).toHaveLength(0);
  });
});
