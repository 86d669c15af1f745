import { totalmem } from 'node:os';
import { expect, it, vi } from 'vitest';
import { inputMemoryBytes } from '../../src/config/imaging-settings.ts';

const MIB = 1024 * 1024;

it.each([
  ['an eighth of what a cgroup allows', 4096 * MIB, 512 * MIB],
  ['no less than a large picture takes', 256 * MIB, 128 * MIB],
  ['no more than the most that a model takes, and some', 64 * 1024 * MIB, 1024 * MIB],
])('pictures that requests bring have %s', (_, allowed, expected) => {
  const constrained = vi.spyOn(process, 'constrainedMemory').mockReturnValue(allowed);
  const memory = Math.min(expected, Math.max(128 * MIB, Math.floor(totalmem() / 8)));
  expect(inputMemoryBytes({ INPUT_MEMORY_BYTES: undefined })).toBe(memory);
  // As where no limit is known, and where there is none.
  for (const none of [0, 2 ** 63]) {
    constrained.mockReturnValue(none);
    expect(inputMemoryBytes({ INPUT_MEMORY_BYTES: undefined })).toBeGreaterThanOrEqual(memory);
  }
  constrained.mockRestore();
});
