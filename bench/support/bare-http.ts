/** `node bench/support/bare-http.ts FILE` serves that file from memory by node:http alone, or answers 304 to its ETag. */

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const bytes = readFileSync(process.argv[2] ?? '');
const headers = {
  'Content-Type': 'image/webp',
  'Content-Length': bytes.length,
  ETag: '"bare"',
  'Cache-Control': 'public, max-age=300, must-revalidate',
  'X-Content-Type-Options': 'nosniff',
};
const { 'Content-Type': _type, 'Content-Length': _length, ...unchanged } = headers;

const server = createServer((request, response) => {
  if (request.headers['if-none-match'] === headers.ETag) response.writeHead(304, unchanged).end();
  else response.writeHead(200, headers).end(bytes);
});
server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
