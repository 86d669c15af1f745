/**
 * pino's `timestamp` in ISO 8601, as `pino.stdTimeFunctions.isoTime` writes it. Lines of one millisecond share its text: to write a
 * date out takes longer than the rest of a line. `now` is in milliseconds since 1970.
 */
export function createIsoTime(now: () => number = Date.now): () => string {
  let writtenAt = Number.NaN;
  let text = '';
  return () => {
    const time = now();
    if (time !== writtenAt) {
      writtenAt = time;
      text = `,"time":"${new Date(time).toISOString()}"`;
    }
    return text;
  };
}
