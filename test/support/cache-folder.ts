import os from 'node:os'
import path from 'node:path'

/** The folder that keeps downloads between runs: `ROCKETMQ_REMOTING_CACHE`, else the user's cache folder. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.ROCKETMQ_REMOTING_CACHE) return path.resolve(env.ROCKETMQ_REMOTING_CACHE)
  return path.join(env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'rocketmq-remoting')
}
