import { createHash } from 'node:crypto';
import sharp from 'sharp';
import type { Size } from '../../src/core/domain/geometry.ts';
import type { Input, InputFormat } from '../../src/core/domain/input.ts';

/** An input of this size, whose bytes exist nowhere. */
export function anInput(size: Size, some: Partial<Input> = {}): Input {
  const sha256 = '0'.repeat(64);
  return { ...size, sha256, bytes: 1_000, format: 'png', source: { sha256 }, ...some };
}

/** A picture to start from, with its bytes. */
export interface StoredInput {
  readonly input: Input;
  readonly bytes: Uint8Array;
}

/** A picture of one colour, as an input that came with its bytes. */
export async function colouredInput(
  background: { readonly r: number; readonly g: number; readonly b: number; readonly alpha?: number },
  { width = 64, height = 48, format = 'png' as InputFormat } = {},
): Promise<StoredInput> {
  const channels = background.alpha === undefined ? 3 : 4;
  const buffer = await sharp({ create: { width, height, channels, background } }).toFormat(format).toBuffer();
  const bytes = Uint8Array.from(buffer);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { input: anInput({ width, height }, { sha256, bytes: bytes.length, format }), bytes };
}

/** The bytes of inputs as a call gets them. They are copies: a call may take them away. */
export function bytesOf(...stored: readonly StoredInput[]): ReadonlyMap<string, Uint8Array> {
  return new Map(stored.map(({ input, bytes }) => [input.sha256, Uint8Array.from(bytes)]));
}
