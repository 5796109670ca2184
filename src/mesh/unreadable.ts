import { type Condition, type ConditionKind, conditionsFrom, type Verdict, verdict } from '../api/conditions.ts';
import { timestamp } from '../api/timestamp.ts';

/** Kinds that people write, and may therefore write wrongly. */
export type WrittenKind = Extract<ConditionKind, 'MeshPeer' | 'MeshGateway' | 'MeshAccess' | 'ClusterMeshAccess'>;

/** An object that cannot be read as its kind, as far as it can be read. */
export interface Unreadable {
  readonly kind: WrittenKind;
  readonly generation: number;
  /** Which field is wrong and how, in words without a full stop. */
  readonly problem: string;
}

/** What is told of an object that nobody can read. `now` is in milliseconds since the epoch. */
export function judgeUnreadable({ kind, generation, problem }: Unreadable, now: number): readonly Condition[] {
  const time = timestamp(now);
  if (kind === 'MeshPeer') return conditionsFrom(ofPeer(problem), [], generation, time);
  if (kind !== 'MeshGateway') return conditionsFrom(ofAccess(kind, problem), [], generation, time);
  return conditionsFrom(ofGateway(problem), [], generation, time);
}

function ofAccess(kind: string, problem: string): readonly Verdict<'MeshAccess'>[] {
  const message = `This ${kind} cannot be read, so nothing is granted; mend it and apply it again: ${problem}.`;
  return [
    verdict('MeshAccess', 'Accepted', 'False', 'InvalidSpec', message),
    verdict('MeshAccess', 'Resolved', 'False', 'NotAccepted', 'Nothing is granted; see Accepted.'),
    verdict('MeshAccess', 'Enforced', 'False', 'NotAccepted', 'Nothing is granted; see Accepted.'),
  ];
}

function ofPeer(problem: string): readonly Verdict<'MeshPeer'>[] {
  const message = `This MeshPeer cannot be read, so no gateway lets the device in; mend it and apply it again: ${problem}.`;
  return [
    verdict('MeshPeer', 'Accepted', 'False', 'InvalidSpec', message),
    verdict('MeshPeer', 'Programmed', 'False', 'NotAccepted', 'No gateway node has this peer; see Accepted.'),
    verdict('MeshPeer', 'Connected', 'False', 'NotAccepted', 'The device cannot connect; see Accepted.'),
  ];
}

function ofGateway(problem: string): readonly Verdict<'MeshGateway'>[] {
  const message = `This MeshGateway cannot be read, so it is not served; mend it and apply it again: ${problem}.`;
  return [
    verdict('MeshGateway', 'Accepted', 'False', 'InvalidSpec', message),
    verdict('MeshGateway', 'Ready', 'False', 'NotAccepted', message),
  ];
}
