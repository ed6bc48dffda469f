// The worker that owns the store: it loads the module, waits for its turn among the open tabs, opens, and answers calls.
import init, * as core from '../pkg/sync_core_wasm.js'

const STORE = 'replica.db'
const LOCK = 'gridwork-replica'
// A tab that was closed a moment ago may still hold its files; its lock is gone before they are.
const OPEN_TRIES = 40
const OPEN_RETRY_MS = 50

// What a page may call. `open` and `close` are this worker's own.
const functions = {
  count: core.count,
  insert: core.insert,
  integrity: core.integrity,
  sqlite_version: core.sqlite_version,
}

const ready = start()
// Every call tells the reason; without this line the browser would report it a second time as nobody's.
ready.catch(() => {})

async function start() {
  await init()
  await holdLock()
  for (let tries = 1; ; tries++) {
    try {
      return await core.open(STORE)
    } catch (error) {
      if (tries === OPEN_TRIES) throw error
      await new Promise((resolve) => setTimeout(resolve, OPEN_RETRY_MS))
    }
  }
}

/** Resolves when the lock is ours; it stays ours until this worker ends. */
function holdLock() {
  return new Promise((resolve, reject) => {
    navigator.locks.request(LOCK, () => {
      resolve()
      return new Promise(() => {})
    }).catch(reject)
  })
}

self.onmessage = async ({ data: { id, name, args } }) => {
  try {
    await ready
    if (!Object.hasOwn(functions, name)) throw new Error(`the replica has no function ${name}`)
    postMessage({ id, value: await functions[name](...args) })
  } catch (error) {
    postMessage({ id, error: error instanceof Error ? error.message : String(error) })
  }
}
