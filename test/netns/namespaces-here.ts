/** The words before a command that run it in a namespace, for each that a test has made, in that order. */
export const namespacesHere = new Set<readonly string[]>();
