import type { FastifyInstance } from 'fastify';
import findMyWay, { type HTTPMethod } from 'find-my-way';

/** The methods that the routes of a path take, sorted; none for an unknown path. */
export type MethodsOf = (path: string) => readonly string[];

/**
 * Notes the methods of every route that is registered from now on. `maxParamLength` is that of `app`.
 *
 * Fastify's own router cannot be asked for all methods of a path. So the routes are entered into a second router of the same kind:
 * `POST /images/preview` and `GET /images/:mediaId` share a path, and a list of patterns would have to know which of them it leads to.
 */
export function trackMethods(app: FastifyInstance, maxParamLength: number): MethodsOf {
  const router = findMyWay({ maxParamLength });
  const methods = new Set<HTTPMethod>();
  const route = () => undefined;
  app.addHook('onRoute', ({ method, url }) => {
    // The route by which CORS answers OPTIONS of every path, known or not.
    if (url === '*') return;
    for (const one of [method].flat() as HTTPMethod[]) {
      methods.add(one);
      if (router.findRoute(one, url) === null) router.on(one, url, route);
    }
  });

  return (path) => {
    // The router takes it for `/`; it is no path, but the service as a whole.
    if (path === '*') return [];
    const isRoute = (method: HTTPMethod) => {
      const found = router.find(method, path);
      // A route whose parameter is empty is found, too: `/images/` names no image.
      return found !== null && found.handler === route && !Object.values(found.params).includes('');
    };
    return [...methods].filter(isRoute).sort();
  };
}
