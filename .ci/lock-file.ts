/**
 * `npm run check:lock` fails when package-lock.json would install something unreviewed: a package without an exact version and
 * a hash, from a named host, or with an install script that package.json does not list. Needs no network.
 */

import { readFile } from 'node:fs/promises';

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  /** Packages whose install scripts were reviewed, and whether npm may run them. */
  readonly allowScripts?: Readonly<Record<string, boolean>>;
}

interface LockFile {
  readonly lockfileVersion: number;
  /** By folder; the project itself under the empty name. */
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

interface LockedPackage extends Manifest {
  /** The package's own name, where it is installed under another. */
  readonly name?: string;
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly link?: boolean;
}

const EXACT = /^\d+\.\d+\.\d+(-[\w.]+)?$/;
/** A package under another name, such as an older version beside the newest one. */
const ALIAS = /^npm:(?<name>(?:@[\w.-]+\/)?[\w.-]+)@(?<version>[^@]+)$/;

/** Everything that is wrong with the lock file, one issue a line. */
export function lockFileIssues(manifest: Manifest, lock: LockFile): readonly string[] {
  const { '': root = {}, ...packages } = lock.packages;
  const issues: string[] = [];
  if (lock.lockfileVersion !== 3) issues.push(`the lock file has version ${lock.lockfileVersion} instead of 3`);

  for (const kind of ['dependencies', 'devDependencies'] as const) {
    const wanted = manifest[kind] ?? {};
    if (JSON.stringify(wanted) !== JSON.stringify(root[kind] ?? {}))
      issues.push(`${kind}: package.json and lock file differ`);
    for (const [name, asked] of Object.entries(wanted)) {
      const { name: real, version = asked } = ALIAS.exec(asked)?.groups ?? {};
      if (!EXACT.test(version)) issues.push(`${name}: package.json asks for ${asked}, which is not an exact version`);
      else if (packages[`node_modules/${name}`]?.version !== version)
        issues.push(`${name}: the locked version is not ${version}`);
      else if (packages[`node_modules/${name}`]?.name !== real)
        issues.push(`${name}: the locked package is not ${asked}`);
    }
  }
  for (const [folder, { version, resolved, integrity, hasInstallScript, link }] of Object.entries(packages)) {
    const name = folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length);
    if (link || !EXACT.test(version ?? '')) issues.push(`${folder}: is not a release from a registry`);
    // The hash identifies the bytes. Which registry they come from is a setting of each machine.
    if (!/^sha512-[\w+/]{86}==$/.test(integrity ?? '')) issues.push(`${folder}: has no SHA-512 hash`);
    if (resolved !== undefined) issues.push(`${folder}: names a host`);
    if (hasInstallScript && manifest.allowScripts?.[name] === undefined) {
      issues.push(`${folder}: has an install script; review it, then add ${name} to allowScripts`);
    }
  }
  for (const name of Object.keys(manifest.allowScripts ?? {})) {
    if (!packages[`node_modules/${name}`]?.hasInstallScript)
      issues.push(`${name}: is in allowScripts but has no install script`);
  }
  return issues;
}

if (import.meta.main) {
  const issues = lockFileIssues(await readJson('package.json'), await readJson('package-lock.json'));
  for (const issue of issues) console.error(issue);
  process.exitCode = issues.length > 0 ? 1 : 0;
}

async function readJson<T>(name: string): Promise<T> {
  return JSON.parse(await readFile(new URL(`../${name}`, import.meta.url), 'utf8')) as T;
}
