import { beforeAll, describe, expect, it } from 'vitest';
import { createReadInputs } from '../../../src/core/pipeline/edit-inputs.ts';
import { createInputRoom } from '../../../src/core/pipeline/input-room.ts';
import { colouredInput, type StoredInput } from '../../support/edit-inputs.ts';

let red: StoredInput;
let mask: StoredInput;
beforeAll(async () => {
  red = await colouredInput({ r: 200, g: 40, b: 40 });
  mask = await colouredInput({ r: 0, g: 0, b: 0, alpha: 0 });
});

/** Reads from a store that holds these files. */
function reader(files: Readonly<Record<string, Uint8Array>>, room = createInputRoom(1_000_000)) {
  const read: string[] = [];
  const readInputs = createReadInputs({
    room,
    store: {
      async read(name) {
        read.push(name);
        return files[name] ?? null;
      },
    },
  });
  return { read, readInputs };
}

const never = new AbortController().signal;
const signals = { draining: never, cancelled: never, discarded: never, stopping: never };
const run = { mediaId: 'x', signals, retryRead: <T>(access: () => Promise<T>) => access() };
const nameOf = ({ input }: StoredInput) => `inputs/${input.sha256}`;

describe('the pictures of an edit', () => {
  it('are read by their content, each once', async () => {
    const { read, readInputs } = reader({ [nameOf(red)]: red.bytes, [nameOf(mask)]: mask.bytes });
    const found = await readInputs(run, { inputs: [red.input, red.input], mask: mask.input });
    expect([...found.bytes]).toEqual([
      [red.input.sha256, red.bytes],
      [mask.input.sha256, mask.bytes],
    ]);
    expect(read).toEqual([nameOf(red), nameOf(mask)]);
    found[Symbol.dispose]();
    expect(found.bytes.size).toBe(0);
  });

  it('take room for as long as they are in hand, and while they cannot be read', async () => {
    const room = createInputRoom(2 * red.bytes.length - 1);
    const { readInputs } = reader({ [nameOf(red)]: red.bytes }, room);
    const edit = { inputs: [red.input, red.input], mask: null };
    await expect(readInputs(run, { ...edit, mask: mask.input })).rejects.toMatchObject({ code: 'storage_unavailable' });
    const first = await readInputs(run, edit);
    const cancelled = new AbortController();
    const waiting = readInputs({ ...run, signals: { ...signals, cancelled: cancelled.signal } }, edit);
    const drained = new AbortController();
    const next = readInputs({ ...run, signals: { ...signals, draining: drained.signal } }, edit);
    cancelled.abort(new Error('cancelled'));
    drained.abort(new Error('drained'));
    await expect(waiting).rejects.toThrow('cancelled');
    await expect(next).rejects.toThrow('drained');
    first[Symbol.dispose]();
    (await readInputs(run, edit))[Symbol.dispose]();
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
