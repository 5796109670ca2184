import { existsSync } from 'node:fs';
import { labTools } from './binaries.ts';
import { IMAGE_VARIABLE, sallyportImage } from './sallyport-image.ts';

/**
 * Makes the image of the sources once, before the first file of a run: all files test the same, and none makes it while others
 * compute. A name that is there already is that of a run around this one, or the user's.
 */
export async function setup(): Promise<void> {
  const made = process.env[IMAGE_VARIABLE];
  if (made !== undefined && existsSync(made)) return;
  delete process.env[IMAGE_VARIABLE];
  process.env[IMAGE_VARIABLE] = await sallyportImage(await labTools());
}
