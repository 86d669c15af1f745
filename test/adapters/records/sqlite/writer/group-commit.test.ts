import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connectDurably } from '../../../../../src/adapters/records/sqlite/writer/connection.ts';
import { type CommitGroup, createGroupCommit } from '../../../../../src/adapters/records/sqlite/writer/group-commit.ts';
import {
  answerWith,
  run,
  type Step,
  stopIf,
  stopUnless,
} from '../../../../../src/adapters/records/sqlite/writer/write.ts';
import { countCommits } from '../wal.ts';

let folder: string;
let database: DatabaseSync;
let commitGroup: CommitGroup;
let isWritable: boolean;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'easel-group-'));
  database = connectDurably(join(folder, 'one.db'), 0);
  database.exec('CREATE TABLE things (id TEXT PRIMARY KEY, size TEXT) STRICT; PRAGMA foreign_keys = ON');
  isWritable = true;
  commitGroup = createGroupCommit(database, () => {
    if (!isWritable) throw new Error('moved');
  });
});

afterEach(async () => {
  database.close();
  await rm(folder, { recursive: true });
});

const add = (id: string, size = '') => run('INSERT INTO things VALUES (?, ?)', [id, size]);
const commit = (...writes: readonly (readonly Step[])[]) => commitGroup(writes.map((steps) => ({ steps, waitMs: 0 })));
const kept = () =>
  database
    .prepare('SELECT id FROM things ORDER BY id')
    .all()
    .map(({ id }) => id);
const stored = { stopped: null, row: null };
const commits = () => countCommits(join(folder, 'one.db-wal'));

it('uses a write-ahead log and syncs every commit', () => {
  const pragma = (name: string) => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
  expect([pragma('journal_mode'), pragma('synchronous')]).toEqual(['wal', 2]);
});

it('stores the writes of a group with one commit', async () => {
  const before = await commits();
  expect(commit([add('a'), add('b')], [add('c')], [add('d')])).toEqual([stored, stored, stored]);
  expect([kept(), (await commits()) - before]).toEqual([['a', 'b', 'c', 'd'], 1]);
});

it('undoes a write that fails alone, with all its steps, and gives the code of SQLite', () => {
  const [one, failed, other] = commit([add('a')], [add('b'), add('a')], [add('c')]);
  expect([one, other]).toEqual([stored, stored]);
  expect(failed).toMatchObject({ fault: { code: 'ERR_SQLITE_ERROR', message: expect.stringContaining('UNIQUE') } });
  expect(kept()).toEqual(['a', 'c']);
});

it('stops a write by what an earlier one of the group has written, and tells the row', () => {
  const find = 'SELECT id FROM things WHERE id = :id';
  const results = commit(
    [add('a'), answerWith(find, { id: 'a' })],
    [add('b'), stopIf('taken', find, { id: 'a' }), add('c')],
    [stopUnless('missing', find, { id: 'b' }), add('d')],
  );
  expect(results).toEqual([
    { stopped: null, row: { id: 'a' } },
    { stopped: 'taken', row: { id: 'a' } },
    { stopped: 'missing', row: null },
  ]);
  expect(kept()).toEqual(['a']);
});

it('syncs nothing where every write of a group is stopped', async () => {
  commit([add('a')]);
  const before = await commits();
  expect(commit([add('b'), stopIf('no', 'SELECT 1', [])], [add('a')])).toMatchObject([
    { stopped: 'no' },
    { fault: {} },
  ]);
  expect((await commits()) - before).toBe(0);
  expect(kept()).toEqual(['a']);
});

it('stores the others where the commit fails for one of them', () => {
  database.exec('CREATE TABLE owned (id TEXT REFERENCES things (id) DEFERRABLE INITIALLY DEFERRED)');
  const broken = [add('b'), run(`INSERT INTO owned VALUES ('nothing')`, [])];
  const results = commit([add('a')], broken, [add('c')]);
  expect(results).toMatchObject([stored, { fault: { message: expect.stringContaining('FOREIGN KEY') } }, stored]);
  expect([kept(), database.isTransaction]).toEqual([['a', 'c'], false]);
});

it('refuses what a full database has no room for, stores the rest, and works again when there is space', async () => {
  commit([add('a')]);
  const pages = Number(database.prepare('PRAGMA page_count').get()?.page_count);
  database.exec(`PRAGMA max_page_count = ${pages}`);
  const large = add('large', 'x'.repeat(100_000));
  const SQLITE_FULL = 13;
  expect(commit([add('b')], [large], [add('c')])).toMatchObject([stored, { fault: { errcode: SQLITE_FULL } }, stored]);
  expect([kept(), database.isTransaction]).toEqual([['a', 'b', 'c'], false]);
  database.exec('PRAGMA max_page_count = 1000000');
  expect(commit([large])).toEqual([stored]);
  expect((await stat(join(folder, 'one.db-wal'))).size).toBeGreaterThan(100_000);
});

it('commits nothing while the file is not writable, and raises where the transaction cannot begin', () => {
  isWritable = false;
  expect(commit([add('a')], [add('b')])).toMatchObject([
    { fault: { message: 'moved' } },
    { fault: { message: 'moved' } },
  ]);
  isWritable = true;
  const other = connectDurably(join(folder, 'one.db'), 0);
  other.exec('BEGIN IMMEDIATE');
  expect(() => commit([add('a')])).toThrow(/locked/);
  other.close();
  expect([kept(), commit([add('a')])]).toEqual([[], [stored]]);
});
