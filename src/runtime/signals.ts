/** What of a process this needs; the real one is `process`. */
export interface SignalSource {
  on(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown;
  off(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown;
  exit(code: number): unknown;
}

/** The program was asked to end. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/**
 * A signal that is aborted by the first SIGTERM or SIGINT, so that everything can end in order. A second one ends the
 * program at once with code 130. `release` stops listening.
 */
export function interruptSignal(source: SignalSource = process): {
  readonly signal: AbortSignal;
  readonly release: () => void;
} {
  const controller = new AbortController();
  const listen = (name: 'SIGTERM' | 'SIGINT') => {
    const listener = () => {
      if (controller.signal.aborted) source.exit(130);
      else controller.abort(new Interrupted(`received ${name}`));
    };
    source.on(name, listener);
    return () => source.off(name, listener);
  };
  const releases = [listen('SIGTERM'), listen('SIGINT')];
  return { signal: controller.signal, release: () => releases.forEach((release) => void release()) };
}
