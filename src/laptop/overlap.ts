import { type Cidr, cidrsOverlap } from '../net/cidr.ts';

/** What a tunnel routes, or another program does. */
export interface Routed {
  /** For a person: a profile's name, an interface. */
  readonly name: string;
  readonly cidrs: readonly Cidr[];
}

/** Two ranges of which one packet can only follow one. */
export interface Overlap {
  readonly mine: Cidr;
  readonly theirs: Cidr;
  readonly other: string;
}

/** Where these ranges and those of others meet. */
export function overlapsOf(cidrs: readonly Cidr[], others: readonly Routed[]): readonly Overlap[] {
  return others.flatMap(({ name, cidrs: taken }) =>
    cidrs.flatMap((mine) =>
      taken.filter((theirs) => cidrsOverlap(mine, theirs)).map((theirs) => ({ mine, theirs, other: name })),
    ),
  );
}
