/** Compares the lists in the documentation with those of the code, both ways, so that they cannot drift apart. */

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Tokens } from 'marked';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createImage } from '../../src/api/create-image.ts';
import { HEALTH_CHECKS } from '../../src/api/health.ts';
import { imageRecord } from '../../src/api/image-record.ts';
import { PROBLEMS } from '../../src/api/problem-kinds.ts';
import { readConfig } from '../../src/config/config.ts';
import { providerSettings } from '../../src/config/provider-settings.ts';
import { settings } from '../../src/config/settings.ts';
import { CHECK_NAMES, DEFAULT_CHECKS } from '../../src/core/domain/checks.ts';
import { WEBHOOK_EVENTS } from '../../src/core/domain/delivery.ts';
import { CROPS } from '../../src/core/domain/formats.ts';
import { formatSize } from '../../src/core/domain/geometry.ts';
import { COST_BASES } from '../../src/core/domain/money.ts';
import { RESET_REASONS } from '../../src/core/images/feed.ts';
import { BUILT_IN_PRESETS } from '../../src/core/planning/built-in-presets.ts';
import { createKey } from '../../src/security/api-keys.ts';
import { startEasel } from '../support/app/easel.ts';
import { writeReferences } from '../support/brand-folder.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { codeSpans, PROJECT, readPage, readPages, tableUnder } from './pages.ts';

const api = readPage('docs/api.md');
const operations = readPage('docs/operations.md');
const pictures = readPage('docs/pictures.md');
const openapi = JSON.parse(readFileSync(join(PROJECT, 'openapi/openapi.json'), 'utf8'));

/** The code in the first column of a table, in order. */
const firstColumn = (page: typeof api, heading: string) =>
  tableUnder(page, heading).rows.flatMap(([cell = '']) => codeSpans(cell));

describe('docs/api.md', () => {
  it('has every error with its status', () => {
    const listed = tableUnder(api, 'Errors').rows.map(([code = '', status]) => [codeSpans(code)[0], Number(status)]);
    expect(listed).toEqual(Object.entries(PROBLEMS).map(([code, { status }]) => [code, status]));
  });

  it('has every route', () => {
    const routes = Object.entries<object>(openapi.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(firstColumn(api, 'Routes').toSorted()).toEqual(routes.toSorted());
  });

  it('has every field of a request', () => {
    expect(firstColumn(api, 'Make a picture').toSorted()).toEqual(Object.keys(createImage.shape).toSorted());
  });

  it('has every field of a record', () => {
    expect(firstColumn(api, 'The record').toSorted()).toEqual(Object.keys(imageRecord.shape).toSorted());
  });

  it('has every event of a stream and every type of webhook', () => {
    const events = Object.keys(openapi.components.schemas.ImageEvent.discriminator.mapping);
    expect(firstColumn(api, 'Events')).toEqual(events);
    const ofAll = Object.keys(openapi.components.schemas.FeedEvent.discriminator.mapping);
    expect(firstColumn(api, 'Events of all pictures')).toEqual(ofAll);
    for (const reason of RESET_REASONS) expect(api.source).toContain(`\`${reason}\``);
    for (const type of WEBHOOK_EVENTS) expect(api.source).toContain(`\`${type}\``);
  });
});

describe('docs/pictures.md', () => {
  it('has the built-in presets with their files', () => {
    const listed = tableUnder(pictures, 'Presets').rows.map(([name = '', size, files]) => [
      codeSpans(name)[0],
      size,
      files,
    ]);
    const presets = BUILT_IN_PRESETS.map(({ name, size, renditions }) => [
      name,
      formatSize(size),
      renditions.map((rendition) => `${formatSize(rendition)}.${rendition.format}`).join(', '),
    ]);
    expect(listed).toEqual(presets);
  });

  it('has the checks with their settings and defaults, and the crops', () => {
    const listed = tableUnder(pictures, 'Checks').rows.map(([name = '', setting = '', , mode = '']) =>
      [name, setting, mode].map((cell) => codeSpans(cell)[0]),
    );
    expect(listed).toEqual(CHECK_NAMES.map((name) => [name, `CHECK_${name.toUpperCase()}`, DEFAULT_CHECKS[name]]));
    expect(firstColumn(pictures, 'Sizes and crops').toSorted()).toEqual([...CROPS].toSorted());
  });
});

describe('docs/brand.md', () => {
  it('shows the prompt that its request gets with its preset', async () => {
    await using folder = await temporaryFolder();
    const { blocks } = readPage('docs/brand.md');
    const textOf = (tag: string) => blocks.find(({ tags }) => tags.includes(tag))?.text ?? '';
    const PRESETS = join(folder.path, 'presets.json');
    await writeFile(PRESETS, textOf('presets'));
    await writeReferences(folder.path, JSON.parse(textOf('presets')));
    await using easel = await startEasel({ env: { PRESETS } });
    const preview = await fetch(`${easel.url}/images/preview`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: textOf('request'),
    });
    expect(((await preview.json()) as { prompt: string }).prompt).toBe(textOf('checked-by=test/docs/facts.test.ts'));
  });
});

describe('docs/providers.md', () => {
  const providers = readPage('docs/providers.md');

  it('has every fact of a model, by what the catalog file says it knows', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'models.json');
    await writeFile(path, JSON.stringify({ any: { unknown: 1 } }));
    let said = '';
    try {
      readConfig({ MODEL_CATALOG: path });
    } catch (error) {
      said = String(error);
    }
    const [, known = ''] = /known fields: ([^)]*)/.exec(said) ?? [];
    expect(firstColumn(providers, 'Models').toSorted()).toEqual(known.split(', ').toSorted());
  });

  it('has every basis of a cost', () => {
    expect(firstColumn(providers, 'What a picture costs').toSorted()).toEqual([...COST_BASES].toSorted());
  });
});

describe('docs/security.md', () => {
  it('has every scope, by what the refusal of an unknown one lists', () => {
    expect(() => createKey('name', 'unknown')).toThrow(
      `the scopes must be of ${firstColumn(readPage('docs/security.md'), 'Keys and scopes').join(', ')}, with`,
    );
  });
});

describe('docs/command-line.md', () => {
  it('has every command', () => {
    const help = spawnSync(process.execPath, [join(PROJECT, 'src/cli/easel.ts'), '--help'], {
      encoding: 'utf8',
    }).stdout;
    const commands = [...help.matchAll(/^ {2}(?:easel )?([a-z]+) /gm)].map(([, name = '']) => name);
    const listed = firstColumn(readPage('docs/command-line.md'), 'Commands').map((command) => command.split(' ')[0]);
    expect(listed.toSorted()).toEqual([...new Set(commands)].filter((name) => name !== 'help').toSorted());
  });
});

describe('docs/operations.md', () => {
  it('has every metric', async () => {
    await using easel = await startEasel();
    const metrics = await (await easel.get('/metrics')).text();
    const names = [...metrics.matchAll(/^# TYPE (easel_\S+)/gm)].map(([, name]) => name);
    expect(firstColumn(operations, 'Metrics').toSorted()).toEqual(names.toSorted());
  });

  it('has every part of the health report', () => {
    const parts = /The parts are ([^;.]*?), each/.exec(operations.source.replaceAll('\n', ' '))?.[1] ?? '';
    expect(codeSpans(parts)).toEqual([...HEALTH_CHECKS]);
  });

  it('has a heading for every alert, which links to it', () => {
    const { groups } = parse(readFileSync(join(PROJECT, 'ops/alerts.yml'), 'utf8')) as AlertFile;
    const alerts = groups.flatMap(({ rules }) => rules);
    const sections = operations.headings.filter(({ depth }) => depth === 3);
    expect(sections.map(({ text }) => text).toSorted()).toEqual(alerts.map(({ alert }) => alert).toSorted());
    const links = alerts.map(({ alert, annotations }) => [
      alert,
      /docs\/\S+$/.exec(annotations.runbook_url ?? '')?.[0],
    ]);
    expect(links).toEqual(alerts.map(({ alert }) => [alert, `docs/operations.md#${alert.toLowerCase()}`]));
  });

  it('says of each alert whether it wakes somebody', () => {
    const { groups } = parse(readFileSync(join(PROJECT, 'ops/alerts.yml'), 'utf8')) as AlertFile;
    for (const { alert, labels } of groups.flatMap(({ rules }) => rules)) {
      const section = operations.source.split(`### ${alert}\n`)[1] ?? '';
      expect(section.trimStart().slice(0, 9), alert).toMatch(
        labels.severity === 'page' ? /^\*Page\.\*/ : /^\*Ticket\./,
      );
    }
  });
});

interface AlertFile {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string;
      readonly labels: { readonly severity: 'page' | 'ticket' };
      readonly annotations: Readonly<Record<string, string>>;
    }[];
  }[];
}

it('docs/benchmarks.md has every bench', () => {
  const benches = readdirSync(join(PROJECT, 'bench')).filter((name) => name.endsWith('.ts') && name !== 'bench.ts');
  expect(firstColumn(readPage('docs/benchmarks.md'), 'Measure yourself')).toEqual(
    benches.map((name) => name.slice(0, -3)),
  );
});

it('the README and docs/settings.md name the same five settings first', () => {
  const first = readPage('docs/settings.md').tokens.find(({ type }) => type === 'table') as Tokens.Table;
  const names = first.rows.flatMap(([cell]) => codeSpans(cell?.text ?? ''));
  expect(firstColumn(readPage('README.md'), 'The five settings that matter')).toEqual(names);
});

it('every setting that a page names exists', () => {
  const suffixes = Object.keys(providerSettings);
  // Read by the SDKs, by libuv, by Node, by the command line and by the image of PostgreSQL.
  const ofOthers = [
    'AWS_ACCESS_KEY_ID',
    'AWS_REGION',
    'AWS_SECRET_ACCESS_KEY',
    'POSTGRES_PASSWORD',
    'OPENAI_CUSTOM_HEADERS',
    'UV_THREADPOOL_SIZE',
    'CHROMIUM_PATH',
    'EASEL_API_KEY',
    'EASEL_URL',
    'NODE_COMPILE_CACHE',
    'NODE_DISABLE_COMPILE_CACHE',
    'XDG_CACHE_HOME',
    // Of clients of Easel, and of Open WebUI.
    'EASEL_API_KEY',
    'EASEL_URL',
    'WEBHOOK_URL',
    'ENABLE_IMAGE_GENERATION',
    'IMAGE_GENERATION_ENGINE',
    'IMAGE_GENERATION_MODEL',
    'IMAGES_OPENAI_API_BASE_URL',
    'IMAGES_OPENAI_API_KEY',
  ];
  const isKnown = (name: string) =>
    name in settings ||
    ofOthers.includes(name) ||
    suffixes.some((suffix) => name.startsWith('PROVIDER_') && name.endsWith(`_${suffix}`));
  const unknown = readPages()
    .filter(({ name }) => name !== 'CHANGELOG.md')
    .flatMap(({ name, source }) =>
      [...source.matchAll(/(?<![\w/.])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b/g)].map(([setting]) => `${name}: ${setting}`),
    )
    .filter((place) => !isKnown(place.split(': ')[1] ?? ''));
  expect(unknown).toEqual([]);
});
