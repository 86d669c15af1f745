/** Several replicas that take the same job for theirs: one publishes, and every call is booked once. */

import { join } from 'node:path';
import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { createDiskStore } from '../../../src/adapters/storage/disk.ts';
import { mediaIdOf, possibleNames, sha256, storedNameOf } from '../../../src/core/domain/file-names.ts';
import { countedUnknowns, type Image, isFinished } from '../../../src/core/domain/image.ts';
import { accepted, cancelled, rerun } from '../../../src/core/domain/life-cycle/transitions.ts';
import { microdollars, type Spending } from '../../../src/core/domain/money.ts';
import { ledgerChanges } from '../../../src/core/money/ledger.ts';
import { createOrphanRemoval } from '../../../src/core/retention/orphans.ts';
import { webhookEventOf } from '../../../src/core/webhooks/delivery.ts';
import { openRecords } from '../../support/app/records.ts';
import { sumsOf } from '../../support/ledger.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { AGAIN, AT, REQUEST } from '../domain/life-cycle/example-changes.ts';
import { AMBIGUOUS_RETRIES, advance, type CallEnd, costOf, filesIn, openReplicas } from './replicas.ts';

const QUEUED = accepted({ ...REQUEST, request: { ...REQUEST.request, model: 'gpt-image-2' } });

/** The record, the files and the books, in memory, which note every write that breaks a promise. */
function openShared(ends: readonly CallEnd[]) {
  let image: Image = QUEUED;
  let isDeleted = false;
  const accesses = { get: 0, update: 0 };
  let writer: number | null = null;
  const lines: Spending[] = [...ledgerChanges(null, QUEUED)];
  const files = new Map<string, string>();
  const events = new Map<number, number>();
  const broken: string[] = [];
  const terminal = ({ status, master, renditions, run, error, completedAt }: Image) =>
    JSON.stringify({ status, master, renditions, run, error, completedAt });

  /** What every write must keep; `by` is the claim that writes, null for the API. */
  function judge(before: Image, after: Image, by: number | null): void {
    const isStale = by !== null && after.claim !== by;
    if (isStale && terminal(before) !== terminal(after)) broken.push(`claim ${by} changed what ${after.claim} holds`);
    if ((after.claim ?? 0) < (before.claim ?? 0)) broken.push('the claim went back');
    const left = before.attempts.filter(({ id }) => after.attempts.every((attempt) => attempt.id !== id));
    if (left.length > 0) broken.push('an attempt was dropped');
    for (const [index, attempt] of before.attempts.entries()) {
      const isClosed = attempt.outcome !== 'unknown' || attempt.durationMs !== null;
      if (isClosed && JSON.stringify(after.attempts[index]) !== JSON.stringify(attempt)) {
        broken.push(`attempt ${attempt.id} was closed twice`);
      }
    }
    const lost = Object.keys(before).filter((key) => !(key in after));
    if (lost.length > 0) broken.push(`fields were lost: ${lost}`);
    if (before.original?.sound && !after.original?.sound) broken.push('a sound original was lost');
    if (after.attempts.length > before.attempts.length && countedUnknowns(before) > AMBIGUOUS_RETRIES) {
      broken.push('a call was made beyond the allowance of unknown outcomes');
    }
    if (webhookEventOf(before, after) !== null) events.set(after.run, (events.get(after.run) ?? 0) + 1);
    lines.push(...ledgerChanges(before, after));
  }

  function write(change: (image: Image) => Image | null, by: number | null): Image | null {
    if (isDeleted) return null;
    const next = change(image);
    if (next !== null) {
      judge(image, next, by);
      image = next;
    }
    return image;
  }

  function put(name: string, bytes: Uint8Array): void {
    const content = Buffer.from(bytes).toString();
    if ((files.get(name) ?? content) !== content) broken.push(`${name} was replaced by other content`);
    files.set(name, content);
  }

  function remove(names: readonly string[]): void {
    for (const name of names) files.delete(name);
  }

  const replicas = openReplicas({
    endOf: (call) => ends[call - 1] ?? 'picture',
    onWrite: (claim) => {
      writer = claim;
    },
    records: {
      async get() {
        accesses.get += 1;
        return isDeleted ? null : image;
      },
      async update(_mediaId, change) {
        accesses.update += 1;
        return write(change, writer);
      },
    },
    store: {
      read: async (name) => (files.has(name) ? Buffer.from(files.get(name) ?? '') : null),
      put: async (name, bytes) => put(name, bytes),
      async publish(sources) {
        for (const source of sources) if ('bytes' in source) put(source.name, source.bytes);
      },
      remove: async (names) => remove(names),
    },
  });
  return {
    replicas,
    files,
    broken,
    lines,
    events,
    accesses,
    byApi(change: (image: Image) => Image | null) {
      write(change, null);
      return image;
    },
    /** The record is deleted, and then the files that it knows of. */
    remove() {
      isDeleted = true;
      remove(possibleNames(image));
    },
    get image() {
      return image;
    },
  };
}

type Shared = ReturnType<typeof openShared>;

/** What holds once every replica has ended, and the image has. */
function expectExact({ image, replicas, files, broken, lines, events }: Shared, ends: readonly CallEnd[]): void {
  expect(broken).toEqual([]);
  expect(image.error?.code).not.toBe('internal_error');
  expect(image.attempts).toHaveLength(replicas.calls);
  const calls = Array.from({ length: replicas.calls }, (_, index) => index + 1);
  const brought = calls.filter((call) => (ends[call - 1] ?? 'picture') === 'picture');
  const paid = image.attempts.filter(({ outcome }) => outcome === 'ok');
  expect(paid).toHaveLength(brought.length);
  // Every picture is booked at its own price, or at its estimate where another replica found it first.
  const prices = paid.map(({ cost }) => cost).filter(({ basis }) => basis === 'usage');
  expect(new Set(prices.map(({ usd }) => usd)).size).toBe(prices.length);
  for (const price of prices) expect(brought.map((call) => costOf(call).usd)).toContain(price.usd);
  expect([...files.keys()].filter((name) => name.startsWith('originals/'))).toHaveLength(brought.length);
  const booked: Spending[] = image.attempts.map(({ startedAt, model, outcome, cost }) => ({
    day: startedAt.slice(0, 10),
    owner: image.owner,
    model,
    images: outcome === 'ok' ? 1 : 0,
    microUsd: microdollars(cost.usd ?? 0),
    unpriced: 0,
  }));
  expect(sumsOf(lines)).toEqual(sumsOf(booked));
  expect([...events.values()].every((count) => count === 1)).toBe(true);
  expect(events.get(image.run)).toBe(1);
  if (image.status === 'succeeded') {
    expect(image.original?.sound).toBe(true);
    expect(image.pending).toEqual([]);
    for (const file of filesIn(image))
      expect(sha256(Buffer.from(files.get(storedNameOf(file)) ?? ''))).toBe(file.sha256);
    // What made the picture is what the record says of it.
    const maker = image.attempts.find(({ id }) => image.original?.name.endsWith(`~${id}`));
    expect([image.provider, image.model]).toEqual([maker?.provider, maker?.model]);
  }
}

describe('replicas that take the same job for theirs', () => {
  it('publish once and book each call once, in whatever order they go on', async () => {
    const seen = { takeovers: 0, stale: 0, kept: 0, leftovers: 0, runs: 0 };
    const step = fc.oneof(
      { weight: 30, arbitrary: fc.nat({ max: 5 }) },
      { weight: 2, arbitrary: fc.constantFrom('claim' as const, 'take over' as const) },
      { weight: 1, arbitrary: fc.constant('resume' as const) },
      { weight: 1, arbitrary: fc.constantFrom('cancel' as const, 'rerun' as const) },
    );
    const endsOf = fc.array(fc.constantFrom<CallEnd>('picture', 'picture', 'picture', 'failed', 'unknown'), {
      minLength: 12,
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 150, size: 'max' }), endsOf, async (steps, ends) => {
        const shared = openShared(ends);
        const { replicas } = shared;
        let claims = 1;
        const jobs = [replicas.claim(1)];
        // Replicas with this claim or an earlier one are paused.
        let paused = 0;
        for (const taken of steps) {
          const waiting = (await replicas.waiting()).filter(({ claim }) => Math.floor(claim) > paused);
          if (taken === 'claim' || taken === 'take over') {
            if (taken === 'take over') paused = claims;
            if (claims < 4) jobs.push(replicas.claim(++claims));
          } else if (taken === 'resume') paused = 0;
          else if (taken === 'cancel') shared.byApi((image) => cancelled(image, AT));
          else if (taken === 'rerun') {
            const again = shared.byApi((image) => rerun(image, { ...AGAIN, mayCostAgain: true }));
            if (again.status === 'queued' && again.run > 1) jobs.push(replicas.claim(++claims));
          } else {
            const one = waiting[taken % Math.max(1, waiting.length)];
            if (one === undefined) continue;
            if (one.claim < (shared.image.claim ?? 0)) seen.stale += 1;
            replicas.goOn(one);
          }
        }
        await advance(replicas, null);
        await Promise.all(jobs);
        if (!isFinished(shared.image.status) || shared.image.pending.length > 0) {
          const last = replicas.claim(++claims);
          await advance(replicas, null);
          await last;
        }
        expectExact(shared, ends);
        if (claims > 1) seen.takeovers += 1;
        if (shared.image.attempts.filter(({ outcome }) => outcome === 'ok').length > 1) seen.kept += 1;
        if (shared.image.leftovers) seen.leftovers += 1;
        seen.runs = Math.max(seen.runs, shared.image.run);
        shared.remove();
        expect([...shared.files.keys()]).toEqual([]);
      }),
      {
        numRuns: 120,
        // Two that lost their claims note their pictures while a third is about to take the second one's.
        examples: [
          [
            [0, 0, 0, 0, 0, 'take over', 0, 0, 0, 'claim', ...Array<0>(12).fill(0), 'claim', 'rerun', 0],
            Array<CallEnd>(12).fill('picture'),
          ],
        ],
      },
    );
    // Orders that no walk reaches would not be tested.
    for (const count of [seen.takeovers, seen.stale, seen.kept, seen.leftovers]) expect(count).toBeGreaterThan(0);
    expect(seen.runs).toBeGreaterThan(1);
  });

  /** Claim 1 has made its call and is paused before the answer, and claim 2 has come to `what`. */
  async function takenOver(what: string, ends: readonly CallEnd[] = []) {
    const shared = openShared(ends);
    const jobs = [shared.replicas.claim(1)];
    await advance(shared.replicas, { claim: 1, what: 'call' });
    jobs.push(shared.replicas.claim(2));
    await advance(shared.replicas, { claim: 2, what }, [1]);
    return {
      shared,
      /** Lets the first go on to its end, then the second. */
      async end() {
        await advance(shared.replicas, null, [2, 2.5]);
        const between = shared.image;
        await advance(shared.replicas, null);
        await Promise.all(jobs);
        expectExact(shared, ends);
        return between;
      },
    };
  }

  it('make no call where the picture of the paused one arrives before it', async () => {
    const { shared, end } = await takenOver('after read');
    const between = await end();
    expect([between.status, between.attempts[0]?.outcome, between.original?.name]).toEqual([
      'generating',
      'ok',
      'originals/x~a1',
    ]);
    expect([shared.replicas.calls, shared.image.status, shared.image.claim]).toEqual([1, 'succeeded', 2.5]);
    expect(shared.image.cost).toEqual(costOf(1));
  });

  it('make no second call where it arrives while a retry waits', async () => {
    const { shared, end } = await takenOver('sleep', ['picture', 'failed']);
    await end();
    expect(shared.image.attempts.map(({ outcome }) => outcome)).toEqual(['ok', 'failed']);
    expect([shared.image.status, shared.image.provider, shared.image.revisedPrompt]).toEqual([
      'succeeded',
      'p1',
      'by call 1',
    ]);
  });

  it('keep both pictures that were paid for, and publish that of the holder', async () => {
    const { shared, end } = await takenOver('call');
    const between = await end();
    expect([between.status, between.original?.name]).toEqual(['generating', 'originals/x~a1']);
    expect(shared.image).toMatchObject({ status: 'succeeded', provider: 'p2', original: { name: 'originals/x~a2' } });
    expect([...shared.files.keys()].filter((name) => name.startsWith('originals/'))).toHaveLength(2);
  });

  it('keep the picture of the paused one where the holder has failed, so that the same request pays nothing', async () => {
    const { shared, end } = await takenOver('call', ['picture', 'unknown']);
    await advance(shared.replicas, null, [1, 1.5]);
    expect(shared.image.status).toBe('failed');
    await end();
    expect(shared.image).toMatchObject({ status: 'failed', original: { name: 'originals/x~a1', sound: true } });
    expect(shared.byApi((image) => rerun(image, AGAIN))).toMatchObject({ status: 'queued', claim: 2, run: 2 });
    const again = shared.replicas.claim(3);
    await advance(shared.replicas, null);
    await again;
    expect([shared.image.status, shared.replicas.calls, shared.image.provider]).toEqual(['succeeded', 2, 'p1']);
  });

  it('publish the picture that one of them finds while the other, which was paid for it, notes that', async () => {
    const shared = openShared([]);
    const jobs = [shared.replicas.claim(1)];
    await advance(shared.replicas, { claim: 1, what: 'after put' });
    jobs.push(shared.replicas.claim(2));
    await advance(shared.replicas, { claim: 2, what: 'after read' }, [1]);
    await advance(shared.replicas, null, [2]);
    expect(shared.image).toMatchObject({ status: 'generating', original: { name: 'originals/x~a1' } });
    await advance(shared.replicas, null);
    await Promise.all(jobs);
    expect(shared.image).toMatchObject({ status: 'succeeded', cost: costOf(1), revisedPrompt: 'by call 1' });
    expectExact(shared, []);
  });

  it.each([
    { claim: 1, what: 'call' },
    { claim: 1, what: 'put' },
    { claim: 1, what: 'publish' },
    { claim: 1, what: 'after publish' },
    { claim: 1.5, what: 'publish' },
    { claim: 1.5, what: 'after publish' },
  ])('leave no file of an image that is deleted while claim $claim stands still at $what', async (at) => {
    const shared = openShared([]);
    const job = shared.replicas.claim(1);
    await advance(shared.replicas, at);
    shared.remove();
    await advance(shared.replicas, null);
    await job;
    expect([...shared.files.keys()]).toEqual([]);
  });

  it.each(['publish', 'after publish'])(
    'leave no file where a cancel comes at %s and a deletion at the end',
    async (what) => {
      const shared = openShared([]);
      const job = shared.replicas.claim(1);
      await advance(shared.replicas, { claim: 1, what });
      shared.byApi((image) => cancelled(image, AT));
      await advance(shared.replicas, null);
      await job;
      shared.remove();
      expect([...shared.files.keys()]).toEqual([]);
    },
  );

  it('refuse an earlier claim from the first step on, which then changes nothing', async () => {
    const shared = openShared([]);
    const late = shared.replicas.claim(1);
    await advance(shared.replicas, { claim: 1, what: 'update' });
    const holder = shared.replicas.claim(2);
    await advance(shared.replicas, { claim: 2, what: 'call' }, [1]);
    const before = shared.image;
    await advance(shared.replicas, null, [2]);
    await late;
    expect([shared.image, shared.replicas.calls]).toEqual([before, 1]);
    await advance(shared.replicas, null);
    await holder;
    expectExact(shared, []);
  });

  it('leave a rendition as the holder published it', async () => {
    const shared = openShared([]);
    const jobs = [shared.replicas.claim(1)];
    await advance(shared.replicas, { claim: 1.5, what: 'after publish' });
    jobs.push(shared.replicas.claim(2));
    await advance(shared.replicas, null, [1.5]);
    const held = shared.image;
    expect([held.pending, held.claim]).toEqual([[], 2.5]);
    await advance(shared.replicas, null);
    await Promise.all(jobs);
    // A note of the file that it wrote all the same, for the deletion.
    expect(shared.image).toEqual({ ...held, leftovers: [expect.stringMatching(/^x@64x64~\w+\.avif$/)] });
    expectExact(shared, []);
  });
});

it('a process alone writes nothing for claims: three changes make the picture, and one each deferred rendition', async () => {
  const shared = openShared([]);
  const job = shared.replicas.runAlone();
  await advance(shared.replicas, null);
  await job;
  expect(shared.image.status).toBe('succeeded');
  expect(shared.image.pending).toEqual([]);
  expect(
    [...shared.files.keys()].filter((name) => !name.startsWith('originals/')).every((name) => !name.includes('~')),
  ).toBe(true);
  expect(shared.image).not.toHaveProperty('claim');
  // The job's look, and those of the deferred job: at its begin, and before each of two renditions.
  expect(shared.accesses).toEqual({ get: 4, update: 5 });
});

it('a replica that was paused as it published changes neither the record nor a file, in SQLite and on a disk', async () => {
  await using folder = await temporaryFolder();
  const records = openRecords(folder.path);
  const store = await createDiskStore({ root: join(folder.path, 'media') });
  const replicas = openReplicas({ records, store, endOf: () => 'picture' });
  await records.accept(QUEUED, 10);
  let ended = 0;
  const claim = async (number: number) => {
    await replicas.claim(number);
    ended += 1;
  };
  /** Lets the replica go on until the access waits, or until `until` replicas have ended: a disk and a database take their time. */
  const goOn = async (of: readonly number[], until: string | number) => {
    for (;;) {
      let next: Awaited<ReturnType<typeof replicas.waiting>>[number] | undefined;
      await expect
        .poll(async () => {
          next = (await replicas.waiting()).find((one) => of.includes(one.claim));
          return next !== undefined || ended === until;
        })
        .toBe(true);
      if (next === undefined || next.what === until) return;
      replicas.goOn(next);
    }
  };
  const jobs = [claim(1)];
  await goOn([1], 'publish');
  jobs.push(claim(2));
  await goOn([2, 2.5], 1);
  const held = await records.get('x');
  const names = async () => (await Array.fromAsync(store.list())).map(({ name }) => name);
  const before = await names();
  await goOn([1, 1.5], 2);
  await Promise.all(jobs);
  const { leftovers, ...image } = (await records.get('x')) ?? {};
  expect(image).toEqual(held);
  expect([held?.status, held?.claim, held?.attempts.length, replicas.calls]).toEqual(['succeeded', 2.5, 1, 1]);
  const expectSound = async () => {
    for (const file of held ? filesIn(held) : []) {
      expect(sha256((await store.read(storedNameOf(file))) ?? Buffer.of())).toBe(file.sha256);
    }
  };
  await expectSound();

  // What it wrote all the same is of the image, by its name, and belongs to no record: an orphan, of which the record has a note.
  const late = (await names()).filter((name) => !before.includes(name));
  expect(late.map(mediaIdOf)).toEqual(['x', 'x', 'x']);
  expect(leftovers?.toSorted()).toEqual(late.toSorted());
  const removeOrphans = createOrphanRemoval({ records, store, log: pino({ level: 'silent' }) });
  const sweep = {
    dryRun: false,
    keepsOrphans: false,
    removed: new Set<string>(),
    released: new Map(),
    freedBytes: 0,
    passOver: () => {},
  };
  const { orphansRemoved } = await removeOrphans({ ...sweep, startedAt: Date.now() + 2 * 3_600_000 });
  expect([orphansRemoved, (await names()).sort()]).toEqual([3, before.toSorted()]);
  await expectSound();
  expect(await records.spending('2000-01-01', null)).toMatchObject([{ images: 1, microUsd: 1 }]);
  await records.close();
});
