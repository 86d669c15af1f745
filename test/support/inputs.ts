/** Checked pictures for tests of planning, without bytes behind them. */

import type { Input, Reference } from '../../src/core/domain/input.ts';

/** An input named by a letter or word; equal names are equal content. */
export function anInput(name: string, overrides: Partial<Input> = {}): Input {
  const sha256 = Buffer.from(name).toString('hex').padEnd(64, '0');
  return { sha256, bytes: 1000, format: 'png', width: 64, height: 32, source: { sha256 }, ...overrides };
}

/** A reference of a preset, as a request has it. */
export function aReference(name: string, overrides: Partial<Reference> = {}): Reference {
  return { ...anInput(name), use: `how ${name} is used`, ...overrides };
}
