import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Easel, startEasel } from '../support/app/easel.ts';
import { type Agent, connectAgent, ERAS, textOf } from '../support/mcp.ts';
import { picture } from '../support/openai/answers.ts';

// An agent whose call was cut off often makes the same call again. What it asked for is made once, and paid once.

const mediaIdOf = ({ structuredContent }: { structuredContent?: unknown }) =>
  (structuredContent as { readonly mediaId: string }).mediaId;

describe.each(ERAS)('a call of %s', (era) => {
  let easel: Easel;
  let agent: Agent;
  beforeAll(async () => {
    easel = await startEasel({ skipMs: 0, env: { MCP_WAIT_SECONDS: '60' } });
    agent = await connectAgent(easel.url, era);
  });
  afterAll(async () => {
    await agent[Symbol.asyncDispose]();
    await easel[Symbol.asyncDispose]();
  });
  beforeEach(() => easel.upstream.reset());

  /** Makes the call, and gives it up when the model has it. */
  async function leave(args: Record<string, unknown>): Promise<void> {
    const left = new AbortController();
    const call = agent.call('generate_image', args, { signal: left.signal });
    await Promise.all([
      expect(call).rejects.toThrow(),
      easel.upstream.received(1).then(() => left.abort(new Error('the agent waits no longer'))),
    ]);
  }

  /** The mediaId of the newest picture. */
  async function newest(): Promise<string> {
    const { items } = (await agent.call('list_images', { limit: 1 })).structuredContent as {
      items: { mediaId: string }[];
    };
    return items[0]?.mediaId ?? '';
  }

  test('that is given up cancels nothing: the same call joins its picture, and the one after makes another', async () => {
    const args = { prompt: `a lighthouse of ${era}` };
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    await leave(args);
    const started = await newest();

    const joined = Promise.withResolvers<string>();
    const again = agent.call('generate_image', args, { onprogress: ({ message }) => joined.resolve(message ?? '') });
    expect(await joined.promise).toContain(started);
    gate.open();
    expect(mediaIdOf(await again)).toBe(started);
    expect(easel.upstream.calls).toHaveLength(1);

    const third = await agent.call('generate_image', args);
    expect(mediaIdOf(third)).not.toBe(started);
    expect(easel.upstream.calls).toHaveLength(2);
  });

  test('that is given up is forgotten once get_image has brought its picture', async () => {
    const args = { prompt: `a boat of ${era}` };
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    await leave(args);
    const mediaId = await newest();
    gate.open();
    expect(textOf(await agent.call('get_image', { mediaId }))).toMatch(/1024x640/);

    expect(mediaIdOf(await agent.call('generate_image', args))).not.toBe(mediaId);
  });

  test('is another one than an equal call that is still waited for', async () => {
    const args = { prompt: `two boats of ${era}` };
    const [one, other] = await Promise.all([agent.call('generate_image', args), agent.call('generate_image', args)]);
    expect(mediaIdOf(one)).not.toBe(mediaIdOf(other));
    expect(easel.upstream.calls).toHaveLength(2);
  });

  test('whose answer came before its picture is joined by the same call, too', async () => {
    await using hasty = await startEasel({ skipMs: 0, env: { MCP_WAIT_SECONDS: '1' } });
    await using own = await connectAgent(hasty.url, era);
    const gate = hasty.upstream.gate();
    hasty.upstream.always(picture({ beforeHeaders: gate }));
    const args = { prompt: 'a lighthouse' };
    const unfinished = mediaIdOf(await own.call('generate_image', args));
    expect(mediaIdOf(await own.call('generate_image', args))).toBe(unfinished);
    expect(hasty.upstream.calls).toHaveLength(1);
    gate.open();
  });
});
