/** By delay level, in seconds: those of popped messages are others than those of brokers. */
const DELAYS = [10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200] as const

/**
 * After how many milliseconds a message comes again on which a handler failed.
 *
 * @param delayLevel - 0: by how often it came.
 * @see ConsumeMessagePopConcurrentlyService.changePopInvisibleTime
 */
export function popDelay(delayLevel: number, reconsumeTimes: number): number {
  const level = Math.max(0, Math.min(DELAYS.length - 1, delayLevel === 0 ? reconsumeTimes : delayLevel))
  return (DELAYS[level] as number) * 1_000
}
