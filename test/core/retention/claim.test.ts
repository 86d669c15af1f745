import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { ForeignMediaError, ImageError } from '../../../src/core/domain/errors.ts';
import { claimStore } from '../../../src/core/retention/claim.ts';

interface Scene {
  readonly mark?: string | null;
  readonly files?: readonly string[];
  readonly owned?: readonly string[];
  readonly adopt?: boolean;
  /** Raised by `setMark`. */
  readonly fault?: Error;
}

/** Claims a store with these files for the database `mine`; returns its mark then, and the lines of the log. */
async function claim({ mark = null, files = [], owned = [], adopt = false, fault }: Scene) {
  let marked = mark;
  const lines: { msg: string }[] = [];
  const log = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  await claimStore({
    store: {
      mark: async () => marked,
      async setMark(id) {
        if (fault) throw fault;
        marked = id;
      },
      async *list() {
        for (const name of files) yield { name, bytes: 1, modifiedAt: 0 };
      },
    },
    records: {
      identity: async () => 'mine',
      ownedNames: async (names) => new Set(names.filter((one) => owned.includes(one))),
    },
    place: 'the folder media',
    adopt,
    log,
  });
  return { marked, lines };
}

const MANY = Array.from({ length: 250 }, (_, number) => `f${number}.png`);

describe('claimStore', () => {
  it.each<[string, Scene]>([
    ['is empty', {}],
    ['has only names that Easel does not give', { files: ['notes.txt', 'a..b.png'] }],
    ['has one file that the database knows, among many', { files: MANY, owned: ['f249.png'] }],
    ['has one file that the database knows, at the end of a batch', { files: MANY.slice(0, 100), owned: ['f99.png'] }],
    ['is its own', { mark: 'mine', files: MANY }],
  ])('takes a store that %s', async (_, scene) => {
    expect(await claim(scene)).toEqual({ marked: 'mine', lines: [] });
  });

  it.each<[string, Scene, string]>([
    [
      'another mark',
      { mark: 'other', files: MANY, owned: MANY },
      'the folder media holds the pictures of another database',
    ],
    ['unknown pictures', { files: ['notes.txt', ...MANY] }, 'does not know, such as f0.png'],
    ['an unknown original', { files: ['originals/a~1'] }, 'does not know, such as originals/a~1'],
    ['exactly one batch of unknown pictures', { files: MANY.slice(0, 100) }, 'does not know, such as f0.png'],
  ])('refuses a store with %s, unless it is to be adopted', async (_, scene, message) => {
    await expect(claim(scene)).rejects.toThrow(ForeignMediaError);
    await expect(claim(scene)).rejects.toThrow(message);
    const { marked, lines } = await claim({ ...scene, adopt: true });
    expect(marked).toBe('mine');
    expect(lines).toMatchObject([{ msg: expect.stringContaining('taken over') }]);
  });

  it('leaves a store that cannot be written without a mark, and does not pass over a defect', async () => {
    const fault = new ImageError('storage_unavailable', 'read-only');
    const { marked, lines } = await claim({ files: ['a.png'], owned: ['a.png'], fault });
    expect(marked).toBeNull();
    expect(lines).toMatchObject([{ msg: expect.stringContaining('the next start tries again') }]);
    await expect(claim({ fault: new TypeError('defect') })).rejects.toThrow('defect');
  });
});
