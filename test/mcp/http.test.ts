import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Easel, startEasel } from '../support/app/easel.ts';
import { type Agent, connectAgent, ERAS, partsOf, textOf } from '../support/mcp.ts';
import { openAiError, picture } from '../support/openai/answers.ts';
import { texturedPicture } from '../support/pictures.ts';

describe.each(ERAS)('an agent of %s', (era) => {
  let easel: Easel;
  let agent: Agent;
  beforeAll(async () => {
    easel = await startEasel({ skipMs: 0, env: { MCP_WAIT_SECONDS: '30' } });
    agent = await connectAgent(easel.url, era);
  });
  afterAll(async () => {
    await agent[Symbol.asyncDispose]();
    await easel[Symbol.asyncDispose]();
  });
  beforeEach(() => easel.upstream.reset());

  test('lists the tools, whose arguments are plain objects without a path of this machine', async () => {
    const { tools } = await agent.client.listTools();

    expect(tools.map(({ name }) => name).sort()).toEqual([
      'delete_image',
      'edit_image',
      'generate_image',
      'get_image',
      'list_images',
      'list_presets',
      'preview_image',
    ]);
    for (const { inputSchema, annotations, title } of tools) {
      expect(inputSchema).toMatchObject({ type: 'object', additionalProperties: false });
      expect(JSON.stringify(inputSchema)).not.toMatch(/\$ref|"null"|anyOf|oneOf|"file"|"path"|\(\?/);
      expect(annotations?.readOnlyHint).toBeTypeOf('boolean');
      expect(title).toBeTypeOf('string');
    }
  });

  test('makes a picture: a small one to see, a link to the master, a line of text, and the record', async () => {
    const messages: string[] = [];
    // The name under which edits bring pictures.
    const metadata = { data: 'data:text/plain;base64,aGVsbG8=' };
    const answer = await agent.call(
      'generate_image',
      { mediaId: `hero-${era}`, prompt: 'a lighthouse', size: '1024x640', metadata },
      { onprogress: ({ message }) => messages.push(message ?? '') },
    );

    expect(answer.isError).toBeFalsy();
    expect(answer.content.map(({ type }) => type)).toEqual(['image', 'resource_link', 'text']);
    const [image] = partsOf(answer, 'image');
    const { width, height, format } = await sharp(Buffer.from(image?.data ?? '', 'base64')).metadata();
    expect({ width, height, format, mimeType: image?.mimeType }).toEqual({
      width: 480,
      height: 300,
      format: 'jpeg',
      mimeType: 'image/jpeg',
    });
    const [link] = partsOf(answer, 'resource_link');
    expect(link).toMatchObject({ uri: `${easel.url}/media/hero-${era}.png`, mimeType: 'image/png' });
    expect((await fetch(link?.uri ?? '')).status).toBe(200);
    expect(textOf(answer)).toMatch(/^hero-\S+: 1024x640 png, made by openai gpt-image-2 for \$.* http:\S+$/);
    expect(answer.structuredContent).toEqual(await easel.record(`hero-${era}`));
    expect(answer.structuredContent).toMatchObject({ metadata });
    expect(messages[0]).toContain(`hero-${era}`);
    expect(messages.join('\n')).toContain('is being made by the model');
  });

  test('edits a picture that it brings, that it names, and none of its own machine', async () => {
    const bytes = await texturedPicture({ width: 1024, height: 1024 });
    const data = `data:image/png;base64,${bytes.toString('base64')}`;
    const answer = await agent.call('edit_image', { prompt: 'at night', inputs: [{ data }], size: '1024x1024' });
    expect(textOf(answer)).toContain('1024x1024');
    expect(easel.upstream.calls[0]?.files[0]?.bytes.equals(bytes)).toBe(true);

    const { mediaId } = answer.structuredContent as { mediaId: string };
    const inputs = [{ mediaId, url: null, data: null }];
    const again = await agent.call('edit_image', { prompt: 'at dawn', inputs, mask: null, size: '1024x1024' });
    expect(again.isError).toBeFalsy();

    for (const inputs of [[{ file: '/etc/passwd' }], [{ mediaId, data }], [{ data: '/etc/passwd' }], []]) {
      const refused = await agent.call('edit_image', { prompt: 'a boat', inputs });
      expect(refused).toMatchObject({ isError: true, structuredContent: { code: 'invalid_request', status: 400 } });
      expect(textOf(refused)).toMatch(/^invalid_request: .*inputs/);
    }
    expect(easel.upstream.calls).toHaveLength(2);
  });

  test('previews, lists, gets and deletes', async () => {
    await agent.call('generate_image', { mediaId: `boat-${era}`, prompt: 'a boat', labels: ['boats'] });

    const preview = await agent.call('preview_image', { prompt: 'a boat' });
    expect(preview.structuredContent).toMatchObject({ providers: ['openai'], cost: { basis: 'estimate' } });

    const list = await agent.call('list_images', { label: ['boats'], limit: 1, status: null, q: null, cursor: null });
    expect(list.content.map(({ type }) => type)).toEqual(['text']);
    expect(list.structuredContent).toMatchObject({ items: [{ mediaId: `boat-${era}` }], nextCursor: null });

    const got = await agent.call('get_image', { mediaId: `boat-${era}` });
    expect(got.content.map(({ type }) => type)).toEqual(['image', 'resource_link', 'text']);

    const presets = await agent.call('list_presets');
    expect(textOf(presets)).toContain('article-hero: ');

    const deleted = await agent.call('delete_image', { mediaId: `boat-${era}` });
    expect(deleted.structuredContent).toEqual({ mediaId: `boat-${era}`, deleted: true });
    expect(await agent.call('get_image', { mediaId: `boat-${era}` })).toMatchObject({
      isError: true,
      structuredContent: { code: 'not_found', status: 404 },
    });
  });

  test('gets every failure as the error of the tool, with the problem', async () => {
    easel.upstream.script(openAiError('moderation_blocked'));
    const rejected = await agent.call('generate_image', { prompt: 'what is refused' });
    expect(rejected).toMatchObject({ isError: true, structuredContent: { code: 'prompt_rejected', status: 422 } });
    expect(textOf(rejected)).toMatch(/^prompt_rejected: /);
    const { mediaId } = rejected.structuredContent as { mediaId: string };
    const record = await agent.call('get_image', { mediaId });
    expect(record).toMatchObject({ structuredContent: { status: 'failed', error: { code: 'prompt_rejected' } } });

    for (const args of [{}, { prompt: 'a boat', brief: { subject: 'a boat' } }, { prompt: 'a boat', size: '1x1' }]) {
      const refused = await agent.call('generate_image', args);
      expect(refused).toMatchObject({ isError: true, structuredContent: { code: 'invalid_request' } });
      expect(textOf(refused)).toMatch(/^invalid_request: .+/);
    }
    const named = await agent.call('generate_image', { mediaId: 'A Boat', prompt: 'a boat' });
    expect(textOf(named)).toMatch(/^invalid_request: wrong in the body: `mediaId` must be 1 to 128 of a-z/);
    const unknown = await agent.call('generate_image', { prompt: 'a boat', webhookUrl: 'https://example.com' });
    expect(textOf(unknown)).toContain('`webhookUrl` is not a known field');
  });
});

describe.each(ERAS)('a picture that outlasts a call of %s', (era) => {
  test('is named by the answer, and collected by get_image: it is paid once', async () => {
    await using easel = await startEasel({ skipMs: 0, env: { MCP_WAIT_SECONDS: '1' } });
    await using agent = await connectAgent(easel.url, era);
    const gate = easel.upstream.gate();
    easel.upstream.always(picture({ beforeHeaders: gate }));

    const answer = await agent.call('generate_image', { prompt: 'a lighthouse' });
    const { mediaId, status } = answer.structuredContent as { mediaId: string; status: string };
    expect({ isError: answer.isError ?? false, status }).toEqual({ isError: false, status: 'generating' });
    expect(textOf(answer)).toContain(`call get_image with mediaId ${mediaId} to collect it`);

    gate.open();
    await expect.poll(async () => textOf(await agent.call('get_image', { mediaId }))).toMatch(/^\S+: 1024x640 png/);
    expect(easel.upstream.calls).toHaveLength(1);
  });
});
