/** What the soak does to a service, each every few seconds: none of it may break a promise or leave anything behind. */

import { mkdirSync, readdirSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunningService } from '../support/app/process.ts';

export interface Troubled {
  readonly service: RunningService;
  readonly folder: string;
  readonly random: () => number;
}

type Trouble = (on: Troubled) => Promise<void>;

const IDLE_CONNECTIONS = 600;
const TWO_HOURS_AGO = () => new Date(Date.now() - 2 * 3_600_000);

/** Files that Easel cannot have made, or has not: old enough for a cleanup to look at them. */
const oddFiles: Trouble = async ({ folder }) => {
  for (const name of ['a..b.png', 'back\\slash.png', 'stranger.png', '-.png', 'stranger@10x10.webp']) {
    const path = join(folder, 'media', name);
    writeFileSync(path, 'odd');
    utimesSync(path, TWO_HOURS_AGO(), TWO_HOURS_AGO());
  }
  mkdirSync(join(folder, 'media', 'folder.png'), { recursive: true });
};

/** A published file loses its end. */
const truncatedFile: Trouble = async ({ folder, random }) => {
  const names = readdirSync(join(folder, 'media')).filter((name) => /^soak-.*@/.test(name));
  const name = names[Math.floor(random() * names.length)];
  if (name !== undefined) truncateSync(join(folder, 'media', name), 10);
};

/** A closed lid. */
const suspension: Trouble = async ({ service }) => {
  service.child.kill('SIGSTOP');
  await delay(3_000);
  service.child.kill('SIGCONT');
};

const clockStep: Trouble = async ({ service }) => void service.child.kill('SIGWINCH');

/** More idle connections than the process may have descriptors. */
const manyConnections: Trouble = async ({ service }) => {
  const { hostname, port } = new URL(service.url);
  const sockets = Array.from({ length: IDLE_CONNECTIONS }, () => {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    return socket;
  });
  await delay(4_000);
  for (const socket of sockets) socket.destroy();
};

/** Requests that break off: in the head, in the body, and with bytes that are no text. */
const brokenRequests: Trouble = async ({ service }) => {
  const { hostname, port } = new URL(service.url);
  const heads = [
    'POST /images HT',
    'POST /images HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"pro',
    'POST /images HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 2\r\n\r\n{}',
    'POST /images HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"prompt":"\xff"}',
    'GET /images/x/events HTTP/1.1\r\nHost: a\r\n\r\n',
  ];
  const sockets: Socket[] = [];
  for (const head of heads) {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    socket.write(Buffer.from(head, 'latin1'));
    sockets.push(socket);
  }
  await delay(500);
  for (const socket of sockets) socket.destroy();
};

/** Each trouble with its name and the seconds between two of it. */
const TROUBLES: readonly (readonly [name: string, seconds: number, trouble: Trouble])[] = [
  ['odd files', 7, oddFiles],
  ['truncated file', 23, truncatedFile],
  ['suspension', 41, suspension],
  ['clock step', 29, clockStep],
  ['many connections', 37, manyConnections],
  ['broken requests', 3, brokenRequests],
];

/** Makes every trouble again and again until `over` fires; returns how often each was made. */
export async function makeTrouble(on: Troubled, over: AbortSignal): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  await Promise.all(
    TROUBLES.map(async ([name, seconds, trouble]) => {
      for (;;) {
        await delay(seconds * 1000, undefined, { signal: over }).catch(() => undefined);
        if (over.aborted) return;
        await trouble(on);
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
    }),
  );
  return counts;
}
