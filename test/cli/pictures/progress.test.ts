import { expect, it } from 'vitest';
import { showProgress } from '../../../src/cli/pictures/progress.ts';

function terminal(isTTY: boolean) {
  let text = '';
  return {
    isTTY,
    text: () => text,
    write: (more: string) => {
      text += more;
    },
  };
}

it('shows the stage and the seconds on a terminal, over the same line, and clears it at the end', () => {
  const screen = terminal(true);
  let now = 5_000;
  let tick = () => {};
  let stopped = false;
  {
    using progress = showProgress(
      screen,
      () => now,
      (work) => {
        tick = work;
        return () => {
          stopped = true;
        };
      },
    );
    progress.stage('generating');
    now += 2_999;
    tick();
  }
  expect(screen.text().split('\r\x1b[K')).toEqual(['', 'starting, 0 s', 'generating, 0 s', 'generating, 2 s', '']);
  expect(stopped).toBe(true);
});

it('leaves a line with the time of each stage', () => {
  const screen = terminal(true);
  let now = 0;
  {
    using progress = showProgress(
      screen,
      () => now,
      () => () => undefined,
    );
    for (const [name, after] of [
      ['queued', 100],
      ['generating', 1_500],
      ['generating', 2_000],
      ['processing', 9_000],
    ] as const) {
      now = after;
      progress.stage(name);
    }
    now = 9_420;
    progress.done();
  }
  expect(screen.text()).toContain(
    '\r\x1b[Kdone in 9.4 s: starting 0.1 s, queued 1.4 s, generating 7.5 s, processing 0.4 s\n',
  );
});

it('writes nothing where there is no terminal', () => {
  const pipe = terminal(false);
  {
    using progress = showProgress(pipe);
    progress.stage('generating');
  }
  expect(pipe.text()).toBe('');
});
