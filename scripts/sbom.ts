import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { buildProgram, PROGRAMS, type Program } from './build.ts';
import { ROOT } from './support/paths.ts';

/**
 * Prints what a program is made of, as CycloneDX: `node scripts/sbom.ts PROGRAM > FILE`, where PROGRAM is that of `node scripts/build.ts`. The
 * npm package depends on nothing, so npm by itself would list nothing, and the image has no packages of npm beside the bundles; what they hold
 * are development dependencies. So npm describes all of the lock file, and the bundler says which of that is inside.
 */

/** What of a CycloneDX 1.5 document is looked at; what else it says of a component is kept. */
export interface Sbom {
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

interface Component {
  readonly 'bom-ref': string;
  readonly name: string;
  readonly scope: string;
  readonly properties: readonly { readonly name: string; readonly value: string }[];
}

/**
 * The part of `whole` that is inside a bundle: the components of these references, NAME@VERSION, which the bundle cannot do without.
 *
 * @throws Error where the document has no such component, because then it is of another lock file.
 */
export function bundledPart(whole: Sbom, name: string, inside: readonly string[]): Sbom {
  const { component } = whole.metadata;
  const known = new Set(whole.components.map((found) => found['bom-ref']));
  const unknown = inside.filter((ref) => !known.has(ref));
  if (unknown.length > 0)
    throw new Error(`the lock file does not have ${unknown.join(', ')}, of which the bundle is made: run npm ci`);
  const kept = new Set([component['bom-ref'], ...inside]);
  return {
    ...whole,
    metadata: { ...whole.metadata, component: { ...component, name } },
    components: whole.components.filter((found) => kept.has(found['bom-ref'])).map(shipped),
    dependencies: whole.dependencies
      .filter(({ ref }) => kept.has(ref))
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((on) => kept.has(on)) })),
  };
}

/** As what a user gets: npm calls it optional, and a thing of development. */
function shipped(component: Component): Component {
  const properties = component.properties.filter(({ name }) => name !== 'cdx:npm:package:development');
  return { ...component, scope: 'required', properties };
}

async function main(program: string): Promise<void> {
  if (!isProgram(program)) throw new Error(`name a program: ${Object.keys(PROGRAMS).join(', ')}`);
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-sbom-'));
  try {
    const { packages } = await buildProgram(program, folder);
    const inside = await Promise.all(packages.map(referenceOf));
    const argv = ['sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'application', '--package-lock-only'];
    const { stdout } = await promisify(execFile)('npm', argv, { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 });
    const name = program === 'cli' ? 'sallyport' : `sallyport-${program}`;
    console.log(JSON.stringify(bundledPart(JSON.parse(stdout), name, inside), undefined, 2));
  } finally {
    await rm(folder, { recursive: true });
  }
}

function isProgram(name: string): name is Program {
  return Object.hasOwn(PROGRAMS, name);
}

async function referenceOf(folder: string): Promise<string> {
  const { name, version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  return `${name}@${version}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(process.argv[2] ?? '');
