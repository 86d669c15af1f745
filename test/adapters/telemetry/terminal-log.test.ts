import { expect, it } from 'vitest';
import { formatForTerminal } from '../../../src/adapters/telemetry/terminal-log.ts';

const line = (fields: object) =>
  formatForTerminal(JSON.stringify({ level: 'warn', time: '2026-11-27T06:00:00.000Z', ...fields }));

it('shows time of day, level, message and fields on one line', () => {
  expect(line({ mediaId: 'x', tries: 2, msg: 'trying again' })).toMatch(
    /^\[\d\d:\d\d:00\] WARN: trying again \{"mediaId":"x","tries":2\}\n$/,
  );
});

it('shows the stack of an error below', () => {
  const err = { type: 'Error', message: 'broken', stack: 'Error: broken\n    at here' };
  expect(line({ err, msg: 'failed' })).toMatch(/WARN: failed *\n(?:.*\n)+ +Error: broken\n +at here\n/);
});

it('shows the report of a start with a line for each field', () => {
  expect(line({ url: 'http://a', anonymousAccess: true, msg: 'listens' }).split('\n').slice(1)).toEqual([
    '    url: "http://a"',
    '    anonymousAccess: true',
    '',
  ]);
});

it('leaves a line alone that is not JSON', () => {
  expect(formatForTerminal('plain')).toBe('plain\n');
});
