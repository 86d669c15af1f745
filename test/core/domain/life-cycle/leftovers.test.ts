import { expect, it } from 'vitest';
import { ownedNames, possibleNames, publishedAs } from '../../../../src/core/domain/file-names.ts';
import type { Image, MediaFile } from '../../../../src/core/domain/image.ts';
import { withLeftovers } from '../../../../src/core/domain/life-cycle/leftovers.ts';
import {
  cancelled,
  finished,
  requeuedForRepair,
  rerun,
  withRendition,
} from '../../../../src/core/domain/life-cycle/transitions.ts';
import { AGAIN, AT, fileOf, imageIn, LATER, legal, partsOf, SPECS } from './example-changes.ts';

/** The file as one of several processes publishes it, with content that this number stands for. */
function stored(file: MediaFile, content: number): MediaFile {
  return {
    ...file,
    ...publishedAs(file.name, content.toString(16).padStart(64, '0').split('').reverse().join(''), true),
  };
}

function published(image: Image, content: number): Image {
  const { master, renditions, ...parts } = partsOf();
  const files = { master: stored(master, content), renditions: renditions.map((file) => stored(file, content)) };
  return legal(finished(image, { ...parts, ...files }, AT));
}

const namesOf = ({ master, renditions }: Image) => [master, ...renditions].map((file) => file?.stored);

it('a deletion has the names of the files that a repair has replaced, until which a cleanup may take them', () => {
  const first = published(imageIn('processing'), 1);
  const lost = legal(requeuedForRepair(first, [first.master?.name ?? ''], AT));
  const second = published(lost, 2);
  expect(possibleNames(lost)).toEqual(expect.arrayContaining(namesOf(first)));
  expect(possibleNames(second)).toEqual(expect.arrayContaining([...namesOf(first), ...namesOf(second)]));
  expect(ownedNames(second)).toEqual(expect.arrayContaining(namesOf(second)));
  expect(ownedNames(second).filter((name) => namesOf(first).includes(name))).toEqual([]);
});

it('a deletion has the name of a rendition that was lost, and of the one that took its place', () => {
  const [spec = { width: 64, height: 64, format: 'webp' as const }] = SPECS;
  const first = published(imageIn('processing'), 1);
  const lost = legal(requeuedForRepair(first, [fileOf(spec).name], AT));
  const second = legal(withRendition(lost, stored(fileOf(spec), 2)));
  expect(possibleNames(second)).toEqual(expect.arrayContaining([...namesOf(first), ...namesOf(second)]));
});

it('a deletion has the names of a repair that was cancelled, whose image was requested again', () => {
  const first = published(imageIn('processing'), 1);
  const repaired = legal(requeuedForRepair(first, [first.master?.name ?? ''], AT));
  const again = legal(rerun(legal(cancelled(repaired, LATER)), AGAIN));
  expect(again.renditions).toEqual([]);
  expect(possibleNames(again)).toEqual(expect.arrayContaining(namesOf(first)));
});

it('notes each name once, and none that the image has or could have', () => {
  const image = published(imageIn('processing'), 1);
  const noted = legal(withLeftovers(image, ['x~0123456789abcdef.png', 'x.png']));
  expect(noted.leftovers).toEqual(['x~0123456789abcdef.png']);
  expect(withLeftovers(noted, ['x~0123456789abcdef.png', ...ownedNames(image)])).toBeNull();
});

it('keeps the newest hundred', () => {
  let image = imageIn('succeeded');
  for (let number = 0; number < 120; number += 1) image = legal(withLeftovers(image, [`x~${number}.png`]));
  expect(image.leftovers).toHaveLength(100);
  expect(image.leftovers?.at(-1)).toBe('x~119.png');
});

it('notes nothing where one process publishes alone', () => {
  const first = imageIn('succeeded');
  const repaired = legal(finished(legal(requeuedForRepair(first, [first.master?.name ?? ''], AT)), partsOf(), AT));
  expect(repaired).not.toHaveProperty('leftovers');
});
