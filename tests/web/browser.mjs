// Headless Chromium on a profile folder of its own, and the way to kill it as a dead battery would.
import { access, constants } from 'node:fs/promises'
import path from 'node:path'

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
]
const GONE_WITHIN_MS = 20_000
const POLL_MS = 20

/** Where Chromium is: $CHROMIUM, or the first on PATH; null when there is none. */
export async function findChromium() {
  const places = [process.env.CHROMIUM, ...(process.env.PATH ?? '').split(':').map((folder) => path.join(folder, 'chromium'))]
  for (const place of places) {
    if (place && await access(place, constants.X_OK).then(() => true, () => false)) return place
  }
  return null
}

/**
 * Starts Chromium on `profile`. `trouble` collects errors of pages, but those that one of `expected` matches, and
 * requests to other origins than `origin`.
 */
export async function launch(chromium, executablePath, profile, origin, trouble, expected) {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath, headless: true, args: FLAGS, viewport: { width: 360, height: 780 },
  })
  context.on('weberror', (webError) => trouble.push(`uncaught: ${webError.error().message}`))
  context.on('console', (message) => {
    if (message.type() !== 'error') return
    const text = `${message.text()} (${message.location().url})`
    if (!expected.some((pattern) => pattern.test(text))) trouble.push(`console: ${text}`)
  })
  context.on('request', (request) => {
    if (!request.url().startsWith(`${origin}/`)) trouble.push(`foreign request: ${request.url()}`)
  })
  return context
}

/** SIGKILL to every process of this browser, the main one first; returns when all are gone. */
export async function kill(context) {
  const session = await context.browser().newBrowserCDPSession()
  const { processInfo } = await session.send('SystemInfo.getProcessInfo')
  const main = processInfo.filter((entry) => entry.type === 'browser')
  if (main.length !== 1) throw new Error(`expected one main process, found ${main.length}`)
  const ids = [...main, ...processInfo.filter((entry) => entry.type !== 'browser')].map((entry) => entry.id)
  const closed = new Promise((resolve) => context.once('close', resolve))
  for (const id of ids) signal(id, 'SIGKILL')
  await closed
  const deadline = Date.now() + GONE_WITHIN_MS
  while (ids.some((id) => signal(id, 0))) {
    if (Date.now() > deadline) throw new Error('the browser is still there after SIGKILL')
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

/** Sends a signal; false when there is no such process any more. */
function signal(id, name) {
  try {
    return process.kill(id, name)
  } catch (error) {
    if (error.code === 'ESRCH') return false
    throw error
  }
}
