import { beforeAll, describe, expect, it } from 'vitest';
import { createReadInputs } from '../../../src/core/pipeline/edit-inputs.ts';
import { colouredInput, type StoredInput } from '../../support/edit-inputs.ts';

let red: StoredInput;
let mask: StoredInput;
beforeAll(async () => {
  red = await colouredInput({ r: 200, g: 40, b: 40 });
  mask = await colouredInput({ r: 0, g: 0, b: 0, alpha: 0 });
});

/** Reads from a store that holds these files. */
function reader(files: Readonly<Record<string, Uint8Array>>) {
  const read: string[] = [];
  const readInputs = createReadInputs({
    store: {
      async read(name) {
        read.push(name);
        return files[name] ?? null;
      },
    },
  });
  return { read, readInputs };
}

const run = { mediaId: 'x', retryRead: <T>(access: () => Promise<T>) => access() };
const nameOf = ({ input }: StoredInput) => `inputs/${input.sha256}`;

describe('the pictures of an edit', () => {
  it('are read by their content, each once', async () => {
    const { read, readInputs } = reader({ [nameOf(red)]: red.bytes, [nameOf(mask)]: mask.bytes });
    const found = await readInputs(run, { inputs: [red.input, red.input], mask: mask.input });
    expect([...found]).toEqual([
      [red.input.sha256, red.bytes],
      [mask.input.sha256, mask.bytes],
    ]);
    expect(read).toEqual([nameOf(red), nameOf(mask)]);
  });

  it.each([
    ['missing', () => ({ [nameOf(red)]: red.bytes }), 'the mask of x'],
    ['damaged', () => ({ [nameOf(red)]: Buffer.from('else'), [nameOf(mask)]: mask.bytes }), 'input 1 of x'],
    ['damaged', () => ({ [nameOf(red)]: red.bytes, [nameOf(mask)]: mask.bytes.subarray(1) }), 'the mask of x'],
  ])('that are %s are a failure that names them', async (how, files, place) => {
    const read = reader(files()).readInputs(run, { inputs: [red.input], mask: mask.input });
    await expect(read).rejects.toMatchObject({
      code: 'storage_unavailable',
      mediaId: 'x',
      message: expect.stringMatching(new RegExp(`^${place} .*is ${how} on disk; nothing was sent or paid`)),
    });
  });
});
