/** The thread that reads the page and sends it to the thread that serves it, and ends. */

import { extname } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { encodePage } from './encoded-page.ts';
import { readPage } from './page-document.ts';

const folder = new URL(workerData as string);
const source = readPage({ folder, ending: extname(import.meta.url), resolve: (name) => import.meta.resolve(name) });
parentPort?.postMessage(encodePage(source));
