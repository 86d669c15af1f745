import { createHash } from 'node:crypto';
import { PROVIDER_STATES, type ProviderState } from '../../core/domain/provider-state.ts';
import type { Instance, ListInstances } from '../../core/ports/instances.ts';
import type { PostgresDatabase, Row, Statements } from '../postgres/database.ts';

/** The instances over one database, and this one among them. */
export interface Instances {
  readonly list: ListInstances;
  /** Takes this one off the list. */
  close(): Promise<void>;
}

/** Raised where a secret is another than that of an instance that runs. */
export class DifferingSecretError extends Error {
  override readonly name = 'DifferingSecretError';

  constructor(variable: string) {
    super(
      `${variable} differs from that of another replica that runs; give all replicas the same, or stop them all before you change it`,
    );
  }
}

interface InstanceOptions {
  readonly database: PostgresDatabase;
  /** A random UUID, made at each start: never a name of the machine or a number of the process. */
  readonly id: string;
  readonly version: string;
  readonly role: string;
  /** The secrets that all instances must share, as they are used, by their variables. Only fingerprints are written. */
  readonly secrets: Readonly<Record<string, string>>;
  /** How this one's providers stand, which each heartbeat tells the others. */
  readonly providers?: () => readonly ProviderState[];
  /** Milliseconds between two heartbeats. */
  readonly heartbeatMs?: number;
}

/** An instance is dead after six heartbeats that did not come. */
const HEARTBEAT_MS = 5_000;
const DEAD_AFTER_SECONDS = 30;

/**
 * Enters this instance among those of the database, and shows by a heartbeat that it lives. Raises `DifferingSecretError` where a live one
 * has another secret: links and webhooks of the one would not be accepted from the other.
 */
export async function openInstances({
  database,
  id,
  version,
  role,
  secrets,
  providers = () => [],
  heartbeatMs = HEARTBEAT_MS,
}: InstanceOptions): Promise<Instances> {
  const fingerprints = Object.fromEntries(
    Object.entries(secrets).map(([variable, secret]) => [variable, fingerprint(variable, secret)]),
  );
  const own = [id, version, role, JSON.stringify(fingerprints)];
  await database.transaction(async (statements) => {
    // One after the other, so that of two that start at once one sees the other.
    await statements.run('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', ['easel instances']);
    await refuseOtherSecrets(statements, fingerprints);
    await statements.run(ENTER, [...own, JSON.stringify(providers())]);
  });

  async function beat(): Promise<void> {
    try {
      // Entered again where others held it for dead meanwhile.
      await database.write(ENTER, [...own, JSON.stringify(providers())]);
      await database.write(REMOVE_DEAD);
    } catch {
      // The next one comes soon.
    }
    beating = null;
  }

  /** One at a time, so that none comes after the end. */
  let beating: Promise<void> | null = null;
  const heartbeat = setInterval(() => {
    beating ??= beat();
  }, heartbeatMs);
  heartbeat.unref();

  return {
    list: async () => (await database.read(LIST)).map(readInstance),
    async close() {
      clearInterval(heartbeat);
      await beating;
      // Without it the others hold this one for alive half a minute longer.
      await database.write('DELETE FROM easel.instances WHERE id = $1', [id]).catch(() => undefined);
    },
  };
}

/**
 * A secret that all replicas share, made by the first that asks for it and kept in the database. Raises `ImageError` with
 * `storage_unavailable`.
 */
export async function sharedSecret(database: PostgresDatabase, name: string, make: () => string): Promise<string> {
  const known = await database.read(READ_SECRET, [name]);
  if (known[0]) return String(known[0].value);
  await database.write('INSERT INTO easel.secrets (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    name,
    make(),
  ]);
  const [made] = await database.read(READ_SECRET, [name]);
  return String(made?.value);
}

async function refuseOtherSecrets({ run }: Statements, fingerprints: Readonly<Record<string, string>>): Promise<void> {
  for (const { secrets } of await run(`SELECT secrets FROM easel.instances WHERE ${IS_LIVE}`)) {
    for (const [variable, theirs] of Object.entries(secrets as Record<string, string>)) {
      const ours = fingerprints[variable];
      if (ours !== undefined && ours !== theirs) throw new DifferingSecretError(variable);
    }
  }
}

function fingerprint(variable: string, secret: string): string {
  return createHash('sha256').update(`${variable}\n${secret}`).digest('hex');
}

function readInstance({ id, version, role, started_at, seen_at, providers }: Row): Instance {
  const time = (value: unknown) => (value as Date).toISOString();
  return {
    id: String(id),
    version: String(version),
    role: String(role),
    startedAt: time(started_at),
    seenAt: time(seen_at),
    providers: Array.isArray(providers) ? providers.filter(isProviderState) : [],
  };
}

/** False for what another version says, and this one cannot read. */
function isProviderState(value: Partial<ProviderState>): value is ProviderState {
  const { name, state, since } = value;
  return typeof name === 'string' && typeof since === 'string' && PROVIDER_STATES.some((known) => known === state);
}

const DEAD_AFTER = `interval '${DEAD_AFTER_SECONDS} seconds'`;
/** One that was seen later than now is from before the clock was set back. */
const IS_LIVE = `seen_at > now() - ${DEAD_AFTER} AND seen_at < now() + ${DEAD_AFTER}`;

const ENTER = `
  INSERT INTO easel.instances (id, version, role, secrets, providers, started_at, seen_at)
  VALUES ($1, $2, $3, $4, $5, clock_timestamp(), clock_timestamp())
  ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, providers = excluded.providers`;

const REMOVE_DEAD = `DELETE FROM easel.instances WHERE NOT (${IS_LIVE})`;

const LIST = `SELECT id, version, role, started_at, seen_at, providers FROM easel.instances WHERE ${IS_LIVE} ORDER BY started_at, id`;

const READ_SECRET = 'SELECT value FROM easel.secrets WHERE name = $1';
