/**
 * Peak memory of a real process with 64 pictures of 4 MB in flight: the stand-in model API holds back all answers until the last
 * call has arrived, then sends them at once. The aims are 450 MB at the peak and 200 MB after.
 */

import { answer } from '../test/support/openai/answers.ts';
import { startOpenAiServer } from '../test/support/openai/server.ts';
import { temporaryFolder } from '../test/support/temporary-folder.ts';
import { photo } from './support/photo.ts';
import { memoryMB } from './support/processes.ts';
import { saveResults } from './support/results.ts';
import { makePicture, startEasel } from './support/service.ts';

const PICTURES = 64;
const AIM_MB = 450;
const AIM_AFTER_MB = 200;

await using folder = await temporaryFolder();
await using upstream = await startOpenAiServer();
await using easel = await startEasel(folder.path, {
  OPENAI_API_KEY: upstream.key ?? '',
  OPENAI_BASE_URL: upstream.baseUrl,
  CONCURRENCY: String(PICTURES),
});

const original = await photo();
const gate = upstream.gate();
const body = JSON.stringify({ created: 0, data: [{ b64_json: original.toString('base64') }] });
upstream.always(answer({ body, type: 'application/json', beforeHeaders: gate }));

const before = await memory('VmRSS');
const began = performance.now();
const calls = Array.from({ length: PICTURES }, (_, index) => makePicture(easel.url, { prompt: `picture ${index}` }));
await gate.reached(PICTURES);
gate.open();
await Promise.all(calls);
const seconds = (performance.now() - began) / 1000;

const peak = await memory('VmHWM');
console.log(`${PICTURES} pictures of ${megabytes(original.length)} MB in ${seconds.toFixed(1)} s`);
const after = await memory('VmRSS');
console.log(
  `resident: ${before} MB before, ${peak} MB at the peak, ${after} MB after; aims ${AIM_MB} and ${AIM_AFTER_MB} MB`,
);
await saveResults({
  figures: [
    { what: 'resident before', value: before, unit: 'MB' },
    { what: `resident at the peak, ${PICTURES} pictures in flight`, value: peak, unit: 'MB', aim: { atMost: AIM_MB } },
    { what: 'resident after', value: after, unit: 'MB', aim: { atMost: AIM_AFTER_MB } },
    { what: 'size of a picture', value: original.length / 1e6, unit: 'MB' },
    { what: 'time for all', value: seconds, unit: 's' },
  ],
});
if (peak > AIM_MB) process.exitCode = 1;

/** Resident memory of the service, in whole MB. */
async function memory(field: 'VmRSS' | 'VmHWM'): Promise<number> {
  return Math.round(await memoryMB(easel.pid, field));
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
}
