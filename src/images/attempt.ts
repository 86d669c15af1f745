import { addCosts, NOTHING } from './cost.ts';
import type { Attempt, Image } from './image.ts';

/** The image with one more call, about to be sent. Its estimate counts as its cost until more is known. */
export function openAttempt(image: Image, attempt: Attempt): Image {
  return withAttempts(image, [...image.attempts, attempt]);
}

/**
 * The image with the call's end written down. A call that failed costs nothing; one that came back costs what `result` says;
 * any other may have been billed, and keeps its estimate.
 */
export function closeAttempt(image: Image, id: string, result: Partial<Attempt>): Image {
  const settled = result.outcome === 'failed' ? { ...result, cost: NOTHING } : result;
  return withAttempts(
    image,
    image.attempts.map((attempt) => (attempt.id === id ? { ...attempt, ...settled } : attempt)),
  );
}

function withAttempts(image: Image, attempts: readonly Attempt[]): Image {
  return { ...image, attempts, cost: attempts.map(({ cost }) => cost).reduce(addCosts, NOTHING) };
}
