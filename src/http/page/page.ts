import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { EncodedPage } from './encoded-page.ts';

/** Where the page's own files are. */
const FOLDER = new URL('../../web/', import.meta.url);
const THREAD = new URL(`./reading-thread${extname(import.meta.url)}`, import.meta.url);

/**
 * Gives the page, which is read at the first call: most processes are never asked for it. That takes a thread of its own, since it is
 * half a second of processor time, in which the event loop would stand still, and some 30 MB of memory, which are free again after it. An
 * attempt that fails is made again at the next call; its error names the file that is wrong.
 */
export function createPage(folder: URL = FOLDER): () => Promise<EncodedPage> {
  let reading: Promise<EncodedPage> | null = null;
  return () => {
    reading ??= readInThread(folder).catch((error: unknown) => {
      reading = null;
      throw error;
    });
    return reading;
  };
}

function readInThread(folder: URL): Promise<EncodedPage> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(THREAD, { workerData: folder.href, name: 'easel-page' });
    // A process that stops does not wait for it.
    worker.unref();
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the thread that reads the page ended with ${code}`)));
  });
}
