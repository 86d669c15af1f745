import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { texturedPicture } from './pictures.ts';

/** A presets' file as an example of the documentation has it. */
type PresetsExample = Readonly<Record<string, { readonly references?: readonly { readonly file: string }[] }>>;

/** Writes a picture for each reference of these presets, below the folder. */
export async function writeReferences(folder: string, presets: PresetsExample): Promise<void> {
  for (const { file } of Object.values(presets).flatMap(({ references = [] }) => references)) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), await texturedPicture({ width: 96, height: 64, seed: file }));
  }
}
