/**
 * Fails when package-lock.json would let in something that nobody looked at: `npm run check:lock`. Needs no network.
 *
 *     node .ci/lock-file.ts
 */

import { readFile } from 'node:fs/promises';

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  /** Packages whose install scripts somebody has looked at, and whether npm may run them. */
  readonly allowScripts?: Readonly<Record<string, boolean>>;
}

interface LockFile {
  readonly lockfileVersion: number;
  /** By folder; the project itself under the empty name. */
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

interface LockedPackage extends Manifest {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly link?: boolean;
}

const EXACT = /^\d+\.\d+\.\d+(-[\w.]+)?$/;

/** What is wrong with the lock file, one line a fault. */
export function lockFileFaults(manifest: Manifest, lock: LockFile): readonly string[] {
  const { '': root = {}, ...packages } = lock.packages;
  const faults: string[] = [];
  if (lock.lockfileVersion !== 3) faults.push(`the lock file has version ${lock.lockfileVersion} in place of 3`);

  for (const kind of ['dependencies', 'devDependencies'] as const) {
    const wanted = manifest[kind] ?? {};
    if (JSON.stringify(wanted) !== JSON.stringify(root[kind] ?? {}))
      faults.push(`${kind}: package.json and lock file differ`);
    for (const [name, version] of Object.entries(wanted)) {
      if (!EXACT.test(version)) faults.push(`${name}: package.json asks for ${version}, which is no exact version`);
      else if (packages[`node_modules/${name}`]?.version !== version)
        faults.push(`${name}: ${version} is not what is locked`);
    }
  }
  for (const [folder, { version, resolved, integrity, hasInstallScript, link }] of Object.entries(packages)) {
    const name = folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length);
    if (link || !EXACT.test(version ?? '')) faults.push(`${folder}: is no release of a registry`);
    // What the bytes are says the hash. Where they are from is for each machine's own settings.
    if (!/^sha512-[\w+/]{86}==$/.test(integrity ?? '')) faults.push(`${folder}: has no SHA-512 of its bytes`);
    if (resolved !== undefined) faults.push(`${folder}: names a host`);
    if (hasInstallScript && manifest.allowScripts?.[name] === undefined) {
      faults.push(
        `${folder}: would run a script when it is installed; see what it does, then add ${name} to allowScripts`,
      );
    }
  }
  for (const name of Object.keys(manifest.allowScripts ?? {})) {
    if (!packages[`node_modules/${name}`]?.hasInstallScript)
      faults.push(`${name}: has no script, and is in allowScripts`);
  }
  return faults;
}

async function readJson<T>(name: string): Promise<T> {
  return JSON.parse(await readFile(new URL(`../${name}`, import.meta.url), 'utf8')) as T;
}

if (import.meta.main) {
  const faults = lockFileFaults(await readJson('package.json'), await readJson('package-lock.json'));
  for (const fault of faults) console.error(fault);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
