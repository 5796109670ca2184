import { describe, expect, test } from 'vitest';
import { judgeUnreadable } from '../../src/mesh/unreadable.ts';
import { NOW } from '../support/builders.ts';

describe('an object that nobody can read', () => {
  test.each([
    ['MeshPeer', ['Accepted InvalidSpec', 'Programmed NotAccepted', 'Connected NotAccepted']],
    ['MeshGateway', ['Accepted InvalidSpec', 'Ready NotAccepted']],
  ] as const)('a %s is told what is wrong and what to do', (kind, answers) => {
    const conditions = judgeUnreadable({ kind, generation: 3, problem: 'spec.x: too big' }, NOW);
    expect(conditions.map(({ type, reason }) => `${type} ${reason}`)).toEqual(answers);
    expect(conditions[0]?.message).toMatch(/^This Mesh.* mend it and apply it again: spec\.x: too big\.$/);
    for (const { status, observedGeneration } of conditions)
      expect({ status, observedGeneration }).toEqual({ status: 'False', observedGeneration: 3 });
  });
});
