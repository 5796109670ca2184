/** A node that reached no Services is not relied on for this long, in milliseconds, once it does. */
export const RECOVERED_MS = 60_000;

/**
 * Whether this node reaches no Services, or did not a while ago. It says so itself, in its report, and takes it from there like anybody else: were every
 * node to remember it of the others, one whose agent has begun since would not know, and the node itself would be the last to.
 */
export class Recovery {
  #reaches = true;
  #until = Number.NEGATIVE_INFINITY;

  /** Takes in what an earlier agent of the node has said last: how long ago that was nobody knows. */
  resume(wasRecovering: boolean): void {
    if (wasRecovering) this.#reaches = false;
  }

  /** Takes in whether the node reaches Services now, in monotonic milliseconds; undefined while nobody knows. */
  take(reaches: boolean | undefined, now: number): void {
    if (reaches === undefined) return;
    if (reaches && !this.#reaches) this.#until = now + RECOVERED_MS;
    this.#reaches = reaches;
  }

  /** Whether it is not to be relied on yet. */
  isRecovering(now: number): boolean {
    return !this.#reaches || now < this.#until;
  }
}
