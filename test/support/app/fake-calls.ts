import type { Calls } from '../../../src/core/images/calls.ts';

/** `Calls` for tests of other routes: any use of it fails. */
export function createFakeCalls(): Calls {
  const unused = () => Promise.reject(new Error('this test has no calls of the OpenAI dialect'));
  const noteDelivered = () => undefined;
  return { noteDelivered, submit: unused, isKnown: unused, wait: unused, cancelUnlessAwaited: unused, find: unused };
}
