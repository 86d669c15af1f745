/**
 * `node bench/model-api/instant.ts FILE PROCESSES` is a model API that costs its machine as little as possible: whatever it is sent, it
 * answers at once with the picture in FILE, from one body made in advance, by bare node:http. It shares its port between PROCESSES.
 * The stand-in of the tests checks and logs its calls, for which it takes as long as Easel itself.
 */

import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [, , file = '', processes = '1'] = process.argv;

if (cluster.isPrimary) {
  let listening = 0;
  cluster.on('listening', (_, { port }) => {
    listening += 1;
    if (listening === Number(processes)) console.log(`http://127.0.0.1:${port}`);
  });
  for (let count = 0; count < Number(processes); count += 1) cluster.fork();
} else {
  serve();
}

function serve(): void {
  const b64_json = readFileSync(file).toString('base64');
  const body = Buffer.from(JSON.stringify({ created: 0, data: [{ b64_json }] }));
  const headers = { 'content-type': 'application/json', 'content-length': body.length };
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    request.resume();
    request.once('end', () => response.writeHead(200, headers).end(body));
  });
  // In a cluster all processes get the same free port.
  server.listen(0, '127.0.0.1');
}
