/** A namespace that a test has made. */
export interface NamespaceHere {
  /** The words before a command that run it there. */
  readonly enter: readonly string[];
  /** What was asked of the network from there last. */
  readonly lastAsked?: Question | undefined;
}

/** A question to the network, and what came of it: nothing yet while that is undefined. */
export interface Question {
  readonly text: string;
  readonly outcome: string | undefined;
  /** Asks it once more; resolves with what comes of it. */
  again(): Promise<string>;
}

/** The namespaces of the tests that run, in the order in which they were made. */
export const namespacesHere = new Set<NamespaceHere>();
