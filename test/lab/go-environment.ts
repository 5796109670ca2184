/**
 * What programs in Go find in their environment: they look for garbage when they hold five times what they use, and not twice that. A lab
 * has memory enough; looking takes a processor's time.
 */
export const GO_ENVIRONMENT = { GOGC: '400' } as const;
