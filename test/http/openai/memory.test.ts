import { expect, test } from 'vitest';
import type { GivenInput } from '../../../src/core/domain/input.ts';
import type { Calls } from '../../../src/core/images/calls.ts';
import { createFakeCalls } from '../../support/app/fake-calls.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { openHttpApp } from '../../support/app/http-app.ts';
import { collectGarbage } from '../../support/collect-garbage.ts';
import { eventually } from '../../support/until.ts';

// A call waits for minutes, and many do at the same time: the room that their bodies take is given back long before.

const bytesIn = (input: GivenInput | undefined) => {
  if (input === undefined || !('bytes' in input)) throw new Error('there are no bytes');
  return new WeakRef(input.bytes);
};

const FORM = () => {
  const body = new FormData();
  body.append('prompt', 'a');
  body.append('image', new Blob([Buffer.alloc(3 * 1024 ** 2)]), 'a.png');
  return { body };
};
const JSON_WITH_PICTURE = () => ({
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({
    prompt: 'a',
    images: [{ image_url: `data:image/png;base64,${Buffer.alloc(3 * 1024 ** 2).toString('base64')}` }],
  }),
});

test.each([
  ['a form', FORM],
  ['JSON', JSON_WITH_PICTURE],
])('the pictures of %s are let go of while the call waits', async (_name, request) => {
  let pictures: WeakRef<Uint8Array> | null = null;
  const waiting = Promise.withResolvers<void>();
  const calls: Calls = {
    ...createFakeCalls(),
    async submit(create) {
      pictures = bytesIn(create.inputs?.[0]);
      return {
        id: 'a',
        images: [exampleImage({ mediaId: 'a', status: 'queued' })],
        started: true,
        [Symbol.dispose]() {},
      };
    },
    wait: () => {
      waiting.resolve();
      return new Promise(() => {});
    },
  };
  await using http = await openHttpApp({ calls });
  const aborted = new AbortController();
  const answer = fetch(`http://127.0.0.1:${http.port}/v1/images/edits`, {
    method: 'POST',
    signal: aborted.signal,
    ...request(),
  }).catch(() => {});
  await waiting.promise;
  await eventually(() => {
    collectGarbage();
    expect(pictures?.deref()).toBeUndefined();
  });
  aborted.abort();
  await answer;
});
