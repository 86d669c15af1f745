import { EaselError } from '../../../src/client/client.ts';

/** The `EaselError` that a promise rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<EaselError> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof EaselError)) throw new Error('it did not reject with EaselError', { cause: error });
  return error;
}
