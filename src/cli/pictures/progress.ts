/** The terminal that progress is written to. */
export interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** One line of progress, written over itself. */
export interface Progress extends Disposable {
  /** Says which stage the picture has reached. */
  stage(name: string): void;
  /** Leaves a line with the time that each stage took. */
  done(): void;
}

interface Stage {
  readonly name: string;
  readonly since: number;
}

/** Goes to the beginning of the line and clears it (ECMA-48). */
const CLEAR_LINE = '\r\x1b[K';

/**
 * Shows the stage and the seconds since the start on a terminal, once a second; writes nothing anywhere else. The line is cleared at the
 * end. `now` is in milliseconds; `every` runs its work each second until the function that it returns is called.
 */
export function showProgress(
  terminal: Terminal,
  now = () => performance.now(),
  every: (work: () => void) => () => void = everySecond,
): Progress {
  if (!terminal.isTTY) return { stage: () => undefined, done: () => undefined, [Symbol.dispose]: () => undefined };
  const stages: Stage[] = [{ name: 'starting', since: now() }];
  const began = now();
  const draw = () => terminal.write(`${CLEAR_LINE}${stages.at(-1)?.name}, ${Math.floor((now() - began) / 1000)} s`);
  draw();
  const stop = every(draw);
  return {
    stage(name) {
      if (stages.at(-1)?.name !== name) stages.push({ name, since: now() });
      draw();
    },
    done() {
      const ended = now();
      const parts = stages.map(
        ({ name, since }, index) => `${name} ${seconds((stages[index + 1]?.since ?? ended) - since)}`,
      );
      terminal.write(`${CLEAR_LINE}done in ${seconds(ended - began)}: ${parts.join(', ')}\n`);
    },
    [Symbol.dispose]() {
      stop();
      terminal.write(CLEAR_LINE);
    },
  };
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function everySecond(work: () => void): () => void {
  const timer = setInterval(work, 1000);
  return () => clearInterval(timer);
}
