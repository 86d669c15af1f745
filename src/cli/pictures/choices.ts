/** Commands that list what there is to choose from. */

import type { Command } from 'commander';
import type { Model, Preset } from '../../client/shapes.ts';
import { withProblems } from '../problem-output.ts';
import { addressOf } from '../service/address.ts';
import { withEasel } from '../service/with-easel.ts';
import { type Column, tableText, terminalWidth } from './table.ts';

interface JsonFlag {
  readonly json?: boolean;
}

/** Adds `models`. */
export function addModels(program: Command): void {
  program
    .command('models')
    .description('list the models that the providers offer')
    .option('--json', 'print the list as GET /models answers it, or the problem')
    .addHelpText('after', '\nExample:\n  easel models')
    .action(async ({ json = false }: JsonFlag, command: Command) => {
      await withProblems(json, '/models', () =>
        withEasel(addressOf(command, process.env), async ({ easel, signal }) => {
          print(await easel.models({ signal }), MODEL_COLUMNS, json);
          return 0;
        }),
      );
    });
}

/** Adds `presets`. */
export function addPresets(program: Command): void {
  program
    .command('presets')
    .description('list the presets, which are named defaults for kinds of pictures')
    .option('--json', 'print the list as GET /presets answers it, or the problem')
    .addHelpText('after', '\nExample:\n  easel presets')
    .action(async ({ json = false }: JsonFlag, command: Command) => {
      await withProblems(json, '/presets', () =>
        withEasel(addressOf(command, process.env), async ({ easel, signal }) => {
          print(await easel.presets({ signal }), PRESET_COLUMNS, json);
          return 0;
        }),
      );
    });
}

function print<Item>(items: readonly Item[], columns: readonly Column<Item>[], json: boolean): void {
  console.log(json ? JSON.stringify({ items }, null, 2) : tableText(items, columns, terminalWidth()));
}

const MODEL_COLUMNS: readonly Column<Model>[] = [
  { title: 'MODEL', value: ({ id }) => id },
  { title: 'PROVIDER', value: ({ provider }) => provider },
  { title: 'USABLE', value: ({ usable }) => (usable ? 'yes' : 'no') },
  { title: 'EDITS', value: ({ edits }) => (edits === null ? 'no' : `${edits.maxInputs}`), turnToGo: 2 },
  { title: 'SHUTDOWN', value: ({ shutdownDate }) => shutdownDate ?? '-' },
  { title: 'PRICE', value: ({ prices }) => describePrices(prices), mayBeCut: true, turnToGo: 3 },
  { title: 'SIZES', value: ({ sizes }) => describeSizes(sizes), mayBeCut: true, turnToGo: 1 },
];

const PRESET_COLUMNS: readonly Column<Preset>[] = [
  { title: 'PRESET', value: ({ name }) => name },
  { title: 'VERSION', value: ({ version }) => `${version}`, turnToGo: 2 },
  { title: 'SIZE', value: ({ size }) => size },
  { title: 'RENDITIONS', value: ({ renditions }) => renditions.join(', ') || '-', turnToGo: 1 },
  { title: 'DESCRIPTION', value: ({ description }) => description, mayBeCut: true },
];

function describePrices(prices: Model['prices']): string {
  if (prices === null) return 'unknown';
  if (prices.kind === 'picture') return prices.usdPerPicture === 0 ? 'free' : `$${prices.usdPerPicture} a picture`;
  return `$${prices.imageOutputUsdPerMillionTokens} a million tokens`;
}

function describeSizes(sizes: Model['sizes']): string {
  if (sizes.kind === 'list') return sizes.sizes.join(', ');
  return `${sizes.minSide} to ${sizes.maxSide} a side, in steps of ${sizes.sideStep}`;
}
