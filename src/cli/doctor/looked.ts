import type { Look } from '../../laptop/doctor/findings.ts';

/** What the work brings; why it brought nothing is a finding as well. */
export async function looked<T>(
  work: () => Promise<T>,
  said: (error: unknown) => string = messageOf,
): Promise<Look<T>> {
  try {
    return { kind: 'seen', value: await work() };
  } catch (error) {
    return { kind: 'unseen', why: said(error) };
  }
}

/** The work, or after so many milliseconds an error that says so. The work itself goes on. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${ms / 1000} s`)), ms);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Why it did not work, in the words of the error. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The system's code of an error, such as ECONNREFUSED. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : messageOf(error);
}
