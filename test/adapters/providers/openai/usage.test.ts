import { describe, expect, it } from 'vitest';
import { readUsage } from '../../../../src/adapters/providers/openai/answers/response.ts';

const usage = {
  input_tokens: 30,
  input_tokens_details: { text_tokens: 10, image_tokens: 20, cached_tokens: 5 },
  output_tokens: 7_024,
  total_tokens: 7_054,
};
const read = { textInput: 10, imageInput: 20, cachedInput: 5, output: 7_024 };

describe('readUsage', () => {
  it.each<[string, object, object | null]>([
    ['every count', { usage }, read],
    [
      'no cached tokens where none are named',
      { usage: { ...usage, input_tokens_details: { text_tokens: 10, image_tokens: 20 } } },
      { ...read, cachedInput: 0 },
    ],
    [
      'all input as text where its kinds are not named',
      { usage: { ...usage, input_tokens_details: undefined } },
      { ...read, textInput: 30, imageInput: 0, cachedInput: 0 },
    ],
    [
      'the rest of the input as text',
      { usage: { ...usage, input_tokens_details: { image_tokens: 25 } } },
      { ...read, textInput: 5, imageInput: 25, cachedInput: 0 },
    ],
    ['nothing without usage', {}, null],
    ['nothing where usage is null', { usage: null }, null],
    ['nothing where the output is no number', { usage: { ...usage, output_tokens: '7024' } }, null],
  ])('reads %s', (_, body, expected) => {
    expect(readUsage(body)).toEqual(expected);
  });

  it.each<[string, object, object]>([
    [
      'output that holds its reasoning',
      { input_tokens: 100, output_tokens: 900, reasoning_tokens: 300, total_tokens: 1_000 },
      { input: 100, output: 900 },
    ],
    [
      'output beside its reasoning',
      { input_tokens: 100, output_tokens: 600, reasoning_tokens: 300, total_tokens: 1_000 },
      { input: 100, output: 900 },
    ],
    ['no total', { input_tokens: 100, output_tokens: 600 }, { input: 100, output: 600 }],
  ])('reads the second bill of an SVG, with %s', (_, svg_usage, svg) => {
    expect(readUsage({ usage, svg_usage })).toEqual({ ...read, svg });
  });
});
