/** What is known about a request that the API server refused. */
export interface ApiFailure {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** The closed word of the server's Status object, for example `Conflict`; empty when it sent none. */
  readonly reason: string;
  readonly message: string;
  readonly retryAfterSeconds?: number | undefined;
  /** `Status.details` as sent: kind, name, causes. */
  readonly details?: unknown;
}

/** The API server answered and refused. Its facts are fields, its message is computed from them. */
export class ApiError extends Error implements ApiFailure {
  override readonly name = 'ApiError';
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly reason: string;
  readonly retryAfterSeconds?: number | undefined;
  readonly details?: unknown;

  constructor(failure: ApiFailure) {
    super(apiErrorMessage(failure));
    this.method = failure.method;
    this.path = failure.path;
    this.status = failure.status;
    this.reason = failure.reason;
    this.retryAfterSeconds = failure.retryAfterSeconds;
    this.details = failure.details;
  }
}

/** No usable answer came: connection refused or reset, TLS, a deadline, an answer that is not JSON. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  /** True when the request may not have reached the server because no time was left or the connection was silent. */
  readonly timedOut: boolean;

  constructor(message: string, options: { readonly cause?: unknown; readonly timedOut?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.timedOut = options.timedOut ?? false;
  }
}

/** One line: what was asked, the status, and the server's own sentence. */
export function apiErrorMessage(failure: ApiFailure): string {
  const reason = failure.reason === '' ? '' : ` ${failure.reason}`;
  const sentence = failure.message === '' ? '' : `: ${failure.message}`;
  return `${failure.method} ${failure.path}: ${failure.status}${reason}${sentence}`;
}

/** The facts in an answer with an error status: a `Status` object, or whatever a proxy on the way said. */
export function failureFromAnswer(
  asked: { readonly method: string; readonly path: string },
  answer: { readonly status: number; readonly body: string; readonly retryAfter?: string | undefined },
): ApiFailure {
  const parsed = statusObject(answer.body);
  return {
    ...asked,
    status: answer.status,
    reason: parsed?.reason ?? '',
    message: parsed?.message ?? answer.body.trim().slice(0, 500),
    retryAfterSeconds: retryAfterSeconds(answer.retryAfter) ?? parsed?.retryAfterSeconds,
    details: parsed?.details,
  };
}

/** The facts in the `Status` object of an ERROR event inside a watch. Unknown shapes count as status 500. */
export function failureFromStatus(asked: { readonly method: string; readonly path: string }, raw: unknown): ApiFailure {
  const status = readStatus(raw);
  return {
    ...asked,
    status: status?.code ?? 500,
    reason: status?.reason ?? '',
    message: status?.message ?? 'the server ended the watch with an error it did not describe',
    retryAfterSeconds: status?.retryAfterSeconds,
    details: status?.details,
  };
}

/** 404: the object, or its whole collection, does not exist. */
export function isNotFound(error: unknown): error is ApiError {
  return hasStatus(error, 404);
}

/** 409 because the object changed since it was read, or because another field manager owns a field. */
export function isConflict(error: unknown): error is ApiError {
  return hasStatus(error, 409) && error.reason !== 'AlreadyExists';
}

/** 409 because an object of that name exists. */
export function isAlreadyExists(error: unknown): error is ApiError {
  return hasStatus(error, 409) && error.reason === 'AlreadyExists';
}

/** 403: RBAC or an admission plugin said no. */
export function isForbidden(error: unknown): error is ApiError {
  return hasStatus(error, 403);
}

/** 401: the credentials are missing, wrong or out of date. */
export function isUnauthorized(error: unknown): error is ApiError {
  return hasStatus(error, 401);
}

/** 410: the resourceVersion or continue token asked for is older than what the server remembers. */
export function isGone(error: unknown): error is ApiError {
  return hasStatus(error, 410);
}

/** 422 or 400: the object, or an option of the request, is not acceptable as it is. */
export function isInvalid(error: unknown): error is ApiError {
  return hasStatus(error, 422) || hasStatus(error, 400);
}

/**
 * A server-side apply found an object that was stored under other rules and does not fit its schema now. The API server calls
 * that an internal error, so its words are the only sign.
 */
export function isUnmergeable(error: unknown): error is ApiError {
  return hasStatus(error, 500) && error.message.includes('failed to create typed live object');
}

/** 429, or 503 with a Retry-After: the server asks to come back later. */
export function isTooManyRequests(error: unknown): error is ApiError {
  return hasStatus(error, 429) || (hasStatus(error, 503) && error.retryAfterSeconds !== undefined);
}

function hasStatus(error: unknown, status: number): error is ApiError {
  return error instanceof ApiError && error.status === status;
}

interface Status {
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: unknown;
  readonly retryAfterSeconds?: number;
}

function statusObject(body: string): Status | undefined {
  try {
    return readStatus(JSON.parse(body));
  } catch {
    return undefined;
  }
}

function readStatus(raw: unknown): Status | undefined {
  if (!isRecord(raw) || raw.kind !== 'Status') return undefined;
  const details = isRecord(raw.details) ? raw.details : undefined;
  return {
    ...(typeof raw.code === 'number' ? { code: raw.code } : {}),
    ...(typeof raw.reason === 'string' ? { reason: raw.reason } : {}),
    ...(typeof raw.message === 'string' ? { message: raw.message } : {}),
    ...(details === undefined ? {} : { details }),
    ...(typeof details?.retryAfterSeconds === 'number' ? { retryAfterSeconds: details.retryAfterSeconds } : {}),
  };
}

/** Retry-After in seconds; its other form, a date, is never sent by an API server and is ignored. */
function retryAfterSeconds(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,6}$/.test(header.trim()) ? Number(header) : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
