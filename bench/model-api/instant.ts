/**
 * `node bench/model-api/instant.ts FILE PROCESSES` is a model API that costs its machine as little as possible: whatever it is sent, it
 * answers at once with the picture in FILE, from one body made in advance, by bare node:http. It shares its port between PROCESSES.
 * The stand-in of the tests checks and logs its calls, for which it takes as long as Easel itself.
 */

import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const [, , file = '', processes = '1'] = process.argv;

if (cluster.isPrimary) {
  let listening = 0;
  cluster.on('listening', (_, { port }) => {
    listening += 1;
    if (listening === Number(processes)) console.log(`http://127.0.0.1:${port}`);
  });
  const first = cluster.fork({ MODEL_API_PORT: '0' });
  // The others share the port that the first has got.
  first.once('listening', ({ port }: { readonly port: number }) => {
    for (let count = 1; count < Number(processes); count += 1) cluster.fork({ MODEL_API_PORT: String(port) });
  });
} else {
  serve(Number(process.env.MODEL_API_PORT));
}

function serve(port: number): void {
  const b64_json = readFileSync(file).toString('base64');
  const body = Buffer.from(JSON.stringify({ created: 0, data: [{ b64_json }] }));
  const headers = { 'content-type': 'application/json', 'content-length': body.length };
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    request.resume();
    request.once('end', () => response.writeHead(200, headers).end(body));
  });
  server.listen(port, '127.0.0.1', () => server.address() as AddressInfo);
}
