/** Pictures that a caller brings: what an edit starts from, its mask, and references such as a logo. */

import type { Size } from './geometry.ts';

/** Formats that image models take as inputs. */
export const INPUT_FORMATS = ['png', 'jpeg', 'webp'] as const;
export type InputFormat = (typeof INPUT_FORMATS)[number];

/** A picture as the caller gave it; nothing about it is checked yet. */
export type GivenInput =
  /** The master of a picture of this service. */
  | { readonly mediaId: string }
  /** A public address, fetched through the SSRF guard. */
  | { readonly url: string }
  /** The content of an input that is stored already, of a record that the caller may see. */
  | { readonly sha256: string }
  /** Bytes that came with the request, and the name under which they came. */
  | { readonly file: string; readonly bytes: Uint8Array };

/** A checked picture that is stored durably by its content, as `inputs/<sha256>`. The bytes are sent upstream as they came. */
export interface Input extends Size {
  /** Of its bytes, in hex: two inputs with the same one are the same. */
  readonly sha256: string;
  readonly bytes: number;
  readonly format: InputFormat;
  /** Where it came from, as a record shows it. */
  readonly source: { readonly mediaId: string } | { readonly url: string } | { readonly sha256: string };
}

/** A picture that a preset lays under the caller's inputs, such as a logo: what follows it, and is not what an edit starts from. */
export interface Reference extends Input {
  /** How it is to be used, in the words of the preset. */
  readonly use: string;
}

/** The pictures that a call for a request starts from, in the order in which they are sent: the caller's first. Without the mask. */
export function picturesSent({
  inputs = [],
  references = [],
}: {
  readonly inputs?: readonly Input[];
  readonly references?: readonly Reference[];
}): readonly Input[] {
  return [...inputs, ...references];
}
