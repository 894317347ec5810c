import type { Job, Outcome } from '../clients/job.js'

/** One client, ready to be measured. */
export interface ClientProcess {
  /** Does one job. @throws Error with what the process printed when it fails or takes too long. */
  run(job: Job, profile: ProfileOptions): Promise<Outcome>
  /** Ends what is still running. */
  close(): Promise<void>
}

/** Profiles of processes that can write them. */
export interface ProfileOptions {
  /** Folder for CPU profiles. */
  readonly cpu?: string | undefined
  /** Folder for profiles of what is allocated. */
  readonly heap?: string | undefined
  readonly name: string
}

/** After its own deadline a process gets this long to end before it is killed, in milliseconds. */
export const GRACE = 2_000

/** How much of what a process printed is told, in characters. */
export const OUTPUT_TAIL = 1_500
