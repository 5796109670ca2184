import { styled, tell } from './output.ts';

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 80;
/** Without a terminal, only what lasts is worth a line. */
const PATIENCE_MS = 2_000;

/** Changes what is said about the step under way. */
export type Say = (text: string) => void;

/**
 * Says on standard error what is being done while it is done: with a spinner and a tick on a terminal, by a line elsewhere, and only if it
 * takes more than two seconds.
 */
export async function step<T>(text: string, work: (say: Say) => Promise<T>): Promise<T> {
  const shown = process.stderr.isTTY === true ? spinner(text) : lines(text);
  try {
    const result = await work(shown.say);
    shown.end(true);
    return result;
  } catch (error) {
    shown.end(false);
    throw error;
  }
}

interface Shown {
  readonly say: Say;
  end(ok: boolean): void;
}

function spinner(first: string): Shown {
  let text = first;
  let frame = 0;
  const draw = () => {
    frame += 1;
    process.stderr.write(`\r\u001b[2K${styled('cyan', FRAMES[frame % FRAMES.length] ?? '', process.stderr)} ${text}`);
  };
  draw();
  const timer = setInterval(draw, FRAME_MS);
  return {
    say: (next) => {
      text = next;
    },
    end(ok) {
      clearInterval(timer);
      const mark = ok ? styled('green', '✓', process.stderr) : styled('red', '✗', process.stderr);
      process.stderr.write(`\r\u001b[2K${mark} ${ok ? first : text}\n`);
    },
  };
}

function lines(first: string): Shown {
  let text = first;
  let said = '';
  const timer = setInterval(() => {
    if (said !== text) tell(`${text} …`);
    said = text;
  }, PATIENCE_MS);
  return {
    say: (next) => {
      text = next;
    },
    end: () => clearInterval(timer),
  };
}
