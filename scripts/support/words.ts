import { type ParseArgsConfig, parseArgs } from 'node:util';

/** As `parseArgs`; what is wrong with the words that a program was given is said with how it is called, and ends it with exit status 2. */
export function parseWords<T extends ParseArgsConfig>(config: T, usage: string): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    if (!isAboutWords(error)) throw error;
    refuseWords(error.message, usage);
  }
}

/** Ends the program because of a word that it was given. */
export function refuseWords(problem: string, usage: string): never {
  console.error(`${problem}\n\n${usage}`);
  process.exit(2);
}

function isAboutWords(error: unknown): error is Error {
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_');
}
