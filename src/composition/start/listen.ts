import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { ConfigError } from '../../config/config.ts';

interface Place {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
}

/**
 * Listens, and resolves to the addresses that are bound: more than one where `localhost` has several. Rejects with a `ConfigError` where
 * no start could bind `HOST` and `PORT`, else with the system's error, such as that for a port in use. Fastify's own lines in the log, one
 * for each address of the machine, are left out.
 */
export async function listen(app: FastifyInstance, { host, port }: Place): Promise<readonly AddressInfo[]> {
  const quiet: FastifyInstance = Object.create(app, { log: { value: app.log.child({}, { level: 'silent' }) } });
  try {
    await quiet.listen({ host, port });
  } catch (error) {
    const issue = issueOf((error as NodeJS.ErrnoException).code, port);
    throw issue === null ? error : new ConfigError([issue]);
  }
  return app.addresses().filter((address) => typeof address !== 'string');
}

/** What is wrong with `HOST` or `PORT`, by the code of the error; null where another start may succeed with the same. */
function issueOf(code: string | undefined, port: number): string | null {
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'HOST: there is no address for this name; set an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them';
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'EINVAL':
      return 'HOST: this machine has no such address; set one that it has, such as 127.0.0.1, or 0.0.0.0 for all of them';
    case 'EACCES':
    case 'EPERM':
      return `PORT: this user may not listen on port ${port}; set PORT to 1024 or more`;
    default:
      return null;
  }
}
