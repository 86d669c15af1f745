/**
 * `node:http`. An `import` of it reads all that it exports, `WebSocket` too, which loads the undici inside Node: 100 ms of processor time
 * and 14 MB that nothing here uses (Node 24.21; https://github.com/nodejs/node/blob/v24.x/lib/http.js).
 */
export const http = process.getBuiltinModule('node:http');
