import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { GENERATED_FILES } from './generated/files.ts';
import { findHelm, INSTALL_MANIFEST, renderInstallManifest } from './render-manifests.ts';
import { inProject } from './support/paths.ts';

const helm = findHelm();
if (helm === undefined)
  console.log(`skipped: ${INSTALL_MANIFEST}, because there is no helm on PATH; the lab ring builds one`);
const manifests = helm === undefined ? [] : [{ path: INSTALL_MANIFEST, render: () => renderInstallManifest(helm) }];

/** Writes every generated file that is not as the source prints it now; the manifests last, since they hold the chart's CRDs. */
for (const file of [...GENERATED_FILES, ...manifests]) {
  const path = inProject(file.path);
  const text = await file.render();
  const before = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) console.log(`left as it is, because a program to print it is missing here: ${file.path}`);
  if (text === undefined || before === text) continue;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  console.log(`${before === undefined ? 'new' : 'changed'}: ${file.path}`);
}
