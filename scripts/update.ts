import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { GENERATED_FILES } from './generated/files.ts';
import { inProject } from './support/paths.ts';

/** Writes every generated file that is not as the source prints it now. */
for (const file of GENERATED_FILES) {
  const path = inProject(file.path);
  const text = await file.render();
  const before = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) console.log(`left as it is, because a program to print it is missing here: ${file.path}`);
  if (text === undefined || before === text) continue;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  console.log(`${before === undefined ? 'new' : 'changed'}: ${file.path}`);
}
