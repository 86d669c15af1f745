/** What the log says when the service listens: where, for whom, with which providers, where it keeps what, and within which limits. */

import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import type { Config } from '../../config/config.ts';
import { VERSION } from '../version.ts';

/** The fields of the entry. A terminal shows them one a line, in this order. */
interface StartReport {
  readonly version: string;
  /** What this replica does, where there may be others. */
  readonly role?: Config['role'];
  /** An address for this machine's browsers and scripts. */
  readonly url: string;
  /** What is bound, such as `0.0.0.0:3000`; commas between where `localhost` has several addresses. */
  readonly address: string;
  readonly anonymousAccess: boolean;
  readonly apiKeys: number;
  /** Names in order of fallback, each with its model, commas between. */
  readonly providers: string;
  /** Absolute path of the database's file, or host and name of a database of PostgreSQL. */
  readonly records: string;
  /** Absolute path of the folder of the pictures, or the bucket and what its keys begin with. */
  readonly pictures: string;
  readonly retention: string;
  readonly budget: string;
  readonly concurrency: number;
  readonly queueLimit: number;
}

/** Fields and message of the log's entry about a start at the bound addresses. */
export function startReport(config: Config, bound: readonly AddressInfo[]): readonly [StartReport, string] {
  const { keys, providers, defaults, records, media, retention, budget, queue } = config;
  const boundText = bound.map(({ address, port }) => hostAndPort(address, port)).join(', ');
  const [{ address, port } = { address: config.server.host, port: config.server.port }] = bound;
  const isEvery = address in EVERY_ADDRESS;
  const url = `http://${hostAndPort(EVERY_ADDRESS[address] ?? address, port)}`;
  const apiKeys = keys.fixed.length + keys.fromFile.length;
  const report: StartReport = {
    version: VERSION,
    ...(records.kind === 'postgres' && { role: config.role }),
    url,
    address: boundText,
    anonymousAccess: apiKeys === 0,
    apiKeys,
    providers: providers
      .map(({ name, kind, model }) => (kind === 'placeholder' ? name : `${name} (${model ?? defaults.model})`))
      .join(', '),
    records: recordsText(records),
    pictures: media.kind === 's3' ? `s3://${media.bucket}/${media.prefix}` : resolve(media.root),
    retention: retentionText(retention),
    budget: budgetText(budget),
    concurrency: queue.concurrency,
    queueLimit: queue.limit,
  };
  return [report, `Easel ${VERSION} listens on ${isEvery ? `${boundText}, here ` : ''}${url}`];
}

/** Addresses that stand for all of the machine's, and the loopback address that reaches the service there. */
const EVERY_ADDRESS: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '[::1]' };

function hostAndPort(host: string, port: number): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]:${port}` : `${host}:${port}`;
}

function recordsText(records: Config['records']): string {
  if (records.kind === 'sqlite') return resolve(records.path);
  const { host, pathname } = new URL(records.url);
  return `PostgreSQL at ${host}${pathname}`;
}

function retentionText({ olderThanMs, byLabel, maxBytes }: Config['retention']): string {
  const parts = [
    ...(olderThanMs === null ? [] : [`${ageOf(olderThanMs)} for every picture`]),
    ...[...byLabel].map(([label, ms]) => `${ageOf(ms)} for the label ${label}`),
    ...(maxBytes === null ? [] : [`${maxBytes} bytes for all files`]),
  ];
  return parts.length === 0 ? 'pictures are kept for ever' : parts.join(', ');
}

const UNITS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'm'],
] as const;

/** An age as it is written in settings, in the largest unit that it is a whole number of. */
function ageOf(ms: number): string {
  const [unit, letter] = UNITS.find(([size]) => ms > 0 && ms % size === 0) ?? [1000, 's'];
  return `${ms / unit}${letter}`;
}

function budgetText({ usdPerDay, usdPerDayOfKey }: Config['budget']): string {
  const parts = [
    ...(usdPerDay === null ? [] : [`$${usdPerDay} a day`]),
    ...[...usdPerDayOfKey].map(([key, usd]) => `$${usd} a day for ${key}`),
  ];
  return parts.length === 0 ? 'no limit' : parts.join(', ');
}
