import { ZodError } from 'zod';
import type { KubernetesObject, ResourceType } from '../../src/api/resource.ts';
import type { Parsed } from '../../src/net/parsed.ts';
import { mutatedText, mutatedValue, type Random } from './mutate.ts';
import type { FuzzTarget } from './run.ts';

type ErrorType = abstract new (...words: never[]) => Error;

/** A parser of text that refuses by throwing; one that refuses nothing has no refusal. */
export function text(
  name: string,
  seeds: readonly string[],
  refusal: ErrorType | undefined,
  parse: (input: string) => unknown,
): FuzzTarget {
  return {
    name,
    next: (random) => mutatedText(oneOf(seeds, random), random),
    accepts: (input) => taken(refusal, () => parse(input as string)),
  };
}

/** Half of the inputs are JSON with another shape, half are no JSON any more. */
export function json(name: string, seed: unknown, refusal: ErrorType, parse: (input: string) => unknown): FuzzTarget {
  return {
    name,
    next: (random) =>
      random() < 0.5 ? (JSON.stringify(mutatedValue(seed, random)) ?? '') : mutatedText(JSON.stringify(seed), random),
    accepts: (input) => taken(refusal, () => parse(input as string)),
  };
}

/** Text of which the parser says whether it is good; its problem is one that a person can read. */
export function parsing(name: string, seeds: readonly string[], parse: (input: string) => Parsed<unknown>): FuzzTarget {
  return {
    name,
    next: (random) => mutatedText(oneOf(seeds, random), random),
    accepts: (input) => {
      const result = parse(input as string);
      return result.ok || refusedWell(result.problem);
    },
  };
}

/** An object of the API server by the schema of its kind. */
export function object<T extends KubernetesObject>(type: ResourceType<T>, seed: object): FuzzTarget {
  return {
    name: type.kind,
    next: (random) => mutatedValue(seed, random),
    accepts: (input) => taken(ZodError, () => type.parse(input)),
  };
}

/** Whether the parser took it. Its own refusal is an answer; anything else that it throws is not. */
export function taken(refusal: ErrorType | undefined, parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch (error) {
    if (refusal !== undefined && error instanceof refusal) return false;
    throw error;
  }
}

/** A refusal that a person can read. */
export function refusedWell(problem: string): false {
  if (problem === '' || problem.length > 1_000) throw new Error(`a problem of ${problem.length} characters`);
  return false;
}

export function oneOf(seeds: readonly string[], random: Random): string {
  return seeds[Math.floor(random() * seeds.length)] ?? '';
}
