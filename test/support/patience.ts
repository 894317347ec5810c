/**
 * For producers of tests that count what they send. An answer may take longer than the default on a busy machine: the send would fail, or be tried
 * again after `requestTimeout`, and the message be stored twice.
 */
export const PATIENCE = { sendTimeout: 30_000, requestTimeout: 30_000 } as const
