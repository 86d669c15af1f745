import { describe, expect, it } from 'vitest';
import { createHistory, type HistoryLimits } from '../../../../src/core/images/feed/history.ts';

const WIDE: HistoryLimits = { entries: 100, characters: 1_000, ageMs: 1_000 };

function open(limits: Partial<HistoryLimits> = {}) {
  let now = 0;
  const made: string[] = [];
  const toContent = async (change: string) => {
    made.push(change);
    if (change === 'fails' && made.filter((other) => other === change).length === 1) throw new Error('not yet');
    return { change };
  };
  const history = createHistory(toContent, () => now, { ...WIDE, ...limits });
  return {
    history,
    made,
    pass: (ms: number) => {
      now += ms;
    },
    kept: () => {
      const places = Array.from({ length: history.next() - history.first() }, (_, index) => history.first() + index);
      return places.map((place) => history.at(place)?.change);
    },
  };
}

describe('a history', () => {
  it('keeps the newest entries, by their number, their size and their age', () => {
    const few = open({ entries: 2 });
    for (const change of ['a', 'b', 'c']) few.history.add(change);
    expect([few.kept(), few.history.first(), few.history.next()]).toEqual([['b', 'c'], 1, 3]);
    expect(few.history.at(0)).toBeUndefined();

    // A string of JSON has two quotes.
    const small = open({ characters: 20 });
    for (const change of ['a'.repeat(8), 'b'.repeat(8), 'c'.repeat(8), 'd'.repeat(30)]) small.history.add(change);
    expect(small.kept()).toEqual([]);
    small.history.add('e');
    expect(small.kept()).toEqual(['e']);

    const young = open({ ageMs: 10 });
    young.history.add('a');
    young.pass(6);
    young.history.add('b');
    expect(young.kept()).toEqual(['a', 'b']);
    young.pass(6);
    expect(young.kept()).toEqual(['b']);
    young.pass(6);
    expect([young.history.first(), young.history.next()]).toEqual([2, 2]);
  });

  it('makes the content of an entry once for all who ask, and again only where that failed', async () => {
    const { history, made } = open();
    history.add('a');
    history.add('fails');
    expect(made).toEqual([]);
    const [first, second] = await Promise.all([history.at(0)?.content(), history.at(0)?.content()]);
    expect([first, first === second, made]).toEqual([{ change: 'a' }, true, ['a']]);
    await expect(history.at(1)?.content()).rejects.toThrow('not yet');
    expect(await history.at(1)?.content()).toEqual({ change: 'fails' });
  });

  it('that is broken off has nothing for a reader of before, even one that had read all', () => {
    const { history, kept } = open();
    history.add('a');
    const place = history.next();
    history.breakOff();
    expect(place).toBeLessThan(history.first());
    history.add('b');
    expect(kept()).toEqual(['b']);
  });
});
