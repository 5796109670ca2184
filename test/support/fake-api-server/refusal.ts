import type { Json } from './json.ts';

/** An answer with an error status. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: number;
  readonly reason: string;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: number, reason: string, message: string, retryAfterSeconds?: number) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  /** The `Status` object that is sent. */
  get status(): Json {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      code: this.code,
      ...(this.retryAfterSeconds === undefined ? {} : { details: { retryAfterSeconds: this.retryAfterSeconds } }),
    };
  }
}

export function notFound(plural: string, name: string): Refusal {
  return new Refusal(404, 'NotFound', `${plural} "${name}" not found`);
}

export function conflict(plural: string, name: string, why: string): Refusal {
  return new Refusal(409, 'Conflict', `Operation cannot be fulfilled on ${plural} "${name}": ${why}`);
}

export function gone(): Refusal {
  return new Refusal(410, 'Expired', 'too old resource version');
}
