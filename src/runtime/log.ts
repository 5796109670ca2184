import { pino } from 'pino';

/** A logger of JSON lines. Fields come first, then one sentence without variables in it. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A logger whose lines all carry these fields as well. */
  child(bindings: Readonly<Record<string, unknown>>): Log;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Fields with one of these names never reach the log, at the top of a line or two levels deep. */
const SECRET_FIELDS = ['privateKey', 'presharedKey', 'token', 'authorization', 'Authorization'];

/**
 * The one logger of a program: JSON lines on standard output (or where `destination` says). An error under `error`
 * or `err` is written with its type, message, stack and causes.
 */
export function createLog(options: {
  readonly level: LogLevel;
  readonly bindings?: Readonly<Record<string, unknown>>;
  readonly destination?: { write(line: string): void };
}): Log {
  const settings = {
    level: options.level,
    base: options.bindings ?? null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: pino.stdSerializers.err, err: pino.stdSerializers.err },
    redact: {
      paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
      censor: '[redacted]',
    },
  };
  return options.destination === undefined ? pino(settings) : pino(settings, options.destination);
}
