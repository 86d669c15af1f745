import { expect, it, onTestFinished } from 'vitest';
import { openPaintingThreads } from '../../../../src/adapters/providers/placeholder/painting-threads.ts';
import { colouredInput } from '../../../support/edit-inputs.ts';
import { paintHere } from '../../../support/received.ts';
import { watchThreads } from '../../../support/threads.ts';

function open() {
  const threads = watchThreads();
  const painting = openPaintingThreads(2);
  onTestFinished(async () => {
    threads[Symbol.dispose]();
    await painting.close();
  });
  return { threads, paint: painting.paint };
}

const SIZE = { width: 320, height: 200 };

it.each(['png', 'jpeg', 'webp'] as const)(
  'threads paint the same %s byte for byte, at most so many at a time',
  async (format) => {
    const { threads, paint } = open();
    const prompts = ['a lighthouse', 'an orchard', 'glass'];
    const painted = await Promise.all(prompts.map((prompt) => paint({ prompt, size: SIZE, format })));
    expect(threads.running()).toHaveLength(2);
    for (const [at, prompt] of prompts.entries()) {
      const here = await paintHere({ prompt, size: SIZE, format });
      expect(painted[at]?.sha256).toBe(here.sha256);
      expect(Buffer.compare(painted[at]?.bytes ?? Buffer.alloc(0), here.bytes)).toBe(0);
    }
  },
);

it('threads paint over a picture, which moves to them', async () => {
  const { paint } = open();
  const { bytes } = await colouredInput({ r: 200, g: 40, b: 40 });
  const start = () => ({ inputs: [Uint8Array.from(bytes)] as const, mask: null });
  const here = await paintHere({ prompt: 'glass', size: SIZE, format: 'png', start: start() });
  const moved = start();
  const [picture] = moved.inputs;
  const twice = { inputs: [picture, picture] as const, mask: picture };
  expect((await paint({ prompt: 'glass', size: SIZE, format: 'png', start: start() })).sha256).toBe(here.sha256);
  expect((await paint({ prompt: 'glass', size: SIZE, format: 'png', start: twice })).bytes.length).toBeGreaterThan(0);
  expect(picture.byteLength).toBe(0);
});

it('a painting whose thread dies has failed, and the next is painted', async () => {
  const { threads, paint } = open();
  const size = { width: 4096, height: 4096 };
  const failure = paint({ prompt: 'glass', size, format: 'png' }).catch((error: unknown) => error);
  await expect.poll(() => threads.running().length).toBe(1);
  await threads.kill();
  expect(await failure).toMatchObject({ name: 'ProviderError', fault: 'overloaded', outcome: 'failed' });
  expect((await paint({ prompt: 'glass', size: SIZE, format: 'png' })).bytes.length).toBeGreaterThan(0);
});
