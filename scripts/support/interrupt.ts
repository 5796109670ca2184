/**
 * A signal that aborts when the user or the system asks this program to end. A terminal and a parent may both deliver Ctrl-C, so
 * repeats change nothing: whoever cleans up is left to finish. `reason` is the signal's name.
 */
export function interruption(onFirst: (name: NodeJS.Signals) => void): AbortSignal {
  const controller = new AbortController();
  const abort = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) return;
    onFirst(name);
    controller.abort(name);
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, abort);
  return controller.signal;
}
