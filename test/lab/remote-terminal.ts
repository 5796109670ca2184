import { connect } from 'node:net';
import { FrameReader, frame, type Request } from './frames.ts';

/** A shell, for the person at this terminal, on a machine behind a socket file; resolves with its exit code. */
export function openTerminal(socketFile: string): Promise<number> {
  const { stdin, stdout } = process;
  const size = `stty rows ${stdout.rows ?? 24} cols ${stdout.columns ?? 80}`;
  const request: Request = {
    // script(1) gives the shell a terminal of its own.
    argv: ['script', '-qec', `${size}; exec bash`, '/dev/null'],
    env: { TERM: process.env.TERM ?? 'dumb', PATH: process.env.PATH ?? '' },
  };
  return new Promise((resolve, reject) => {
    const socket = connect(socketFile);
    const frames = new FrameReader();
    stdin.setRawMode?.(true);
    socket.write(frame('r', JSON.stringify(request)));
    stdin.on('data', (chunk: Buffer) => socket.write(frame('i', chunk)));
    stdin.on('end', () => socket.write(frame('e')));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the machine was switched off')));
    socket.on('data', (chunk) => {
      for (const { type, payload } of frames.push(chunk)) {
        if (type === 'o' || type === 'x') stdout.write(payload);
        if (type !== 'c') continue;
        stdin.setRawMode?.(false);
        stdin.pause();
        socket.destroy();
        resolve(Number(payload));
      }
    });
  });
}
