/** False positives and misses of the quality checks on pictures known to be good or bad. `gate 5` takes five variants of each. */

import { checkPicture } from '../src/adapters/imaging/checks/checks.ts';
import { readPicture } from '../src/adapters/imaging/inspect.ts';
import { configureSharp } from '../src/adapters/imaging/sharp.ts';
import { CHECK_NAMES, type Check, forEachCheck } from '../src/core/domain/checks.ts';
import { SIZE } from './support/brushes.ts';
import { type GatePicture, gatePictures } from './support/gate-pictures.ts';
import { saveResults } from './support/results.ts';

const LIMITS = { bytes: 64 * 1024 * 1024, pixels: 36_000_000, decodeSeconds: 30 };
const EVERY_CHECK = forEachCheck(() => 'warn');

configureSharp();
const judged: { readonly picture: GatePicture; readonly checks: readonly Check[] }[] = [];
let milliseconds = 0;
for await (const picture of gatePictures(Number(process.argv[3] ?? 3))) {
  const decoded = await readPicture(picture.bytes, LIMITS);
  const began = performance.now();
  const checks = checkPicture(decoded, SIZE, EVERY_CHECK);
  milliseconds += performance.now() - began;
  judged.push({ picture: { ...picture, bytes: Buffer.alloc(0) }, checks });
}

const good = judged.filter(({ picture }) => picture.failingCheck === null);
console.log(`${good.length} good pictures, ${judged.length - good.length} bad ones, 1792x1024 as png, jpeg and webp`);
console.log(`${(milliseconds / judged.length).toFixed(1)} ms a picture for all checks\n`);
console.log('check       threshold  least good  most bad  false positives  missed');
const rows: (readonly [string, number, number, number, string, string])[] = [];
for (const name of CHECK_NAMES) {
  const bad = judged.filter(({ picture }) => picture.failingCheck === name);
  const values = (of: typeof judged) => of.flatMap(({ checks }) => checks.filter((check) => check.name === name));
  const wrong = values(good).filter(({ verdict }) => verdict !== 'ok');
  const missed = values(bad).filter(({ verdict }) => verdict === 'ok');
  const threshold = values(judged)[0]?.threshold ?? Number.NaN;
  const least = Math.min(...values(good).map(({ value }) => value));
  const most = Math.max(...values(bad).map(({ value }) => value));
  console.log(
    `${name.padEnd(12)}${String(threshold).padEnd(11)}${String(least).padEnd(12)}${String(most).padEnd(10)}` +
      `${`${wrong.length} of ${good.length}`.padEnd(17)}${missed.length} of ${bad.length}`,
  );
  rows.push([
    name,
    threshold,
    least,
    most,
    `${wrong.length} of ${good.length}`,
    bad.length === 0 ? '–' : `${missed.length} of ${bad.length}`,
  ]);
}

console.log('\ngood pictures with a warning:');
report(good.filter(({ checks }) => checks.some(({ verdict }) => verdict !== 'ok')));
console.log('\nbad pictures that passed the check meant for them:');
report(
  judged.filter(({ picture, checks }) =>
    checks.some(({ name, verdict }) => name === picture.failingCheck && verdict === 'ok'),
  ),
);

await saveResults({
  figures: [{ what: 'all checks of a picture', value: milliseconds / judged.length, unit: 'ms' }],
  tables: [
    {
      title: `${good.length} good pictures and ${judged.length - good.length} bad ones`,
      columns: ['check', 'threshold', 'least of a good one', 'most of a bad one', 'false positives', 'missed'],
      rows,
    },
  ],
});

function report(judgements: typeof judged): void {
  const counts = new Map<string, number>();
  for (const { picture, checks } of judgements) {
    const found = checks.filter(({ name, verdict }) =>
      picture.failingCheck === null ? verdict !== 'ok' : name === picture.failingCheck,
    );
    const line = `${picture.name}: ${found.map(({ name }) => name).join(', ')}`;
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  for (const [line, count] of counts) console.log(`  ${String(count).padStart(3)}  ${line}`);
}
