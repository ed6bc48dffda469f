// The page's side of the worker: calls with answers, failures with their code, and events.

/** A failure of the replica: `code` to act on, `problems` with their words. */
export class ReplicaError extends Error {
  constructor(text) {
    const { code, detail, problems } = read(text)
    super(`${code}: ${detail}`)
    this.code = code
    this.problems = problems
  }
}

function read(text) {
  try {
    const value = JSON.parse(text)
    if (typeof value?.code === 'string') return { problems: [], detail: '', ...value }
  } catch { /* A trap or a failed load: its message is plain text. */ }
  return { code: 'unexpected', detail: text, problems: [] }
}

/** Starts the worker. `onEvent` hears `{event}`: waiting, syncing, changed, failed. */
export function connect(onEvent) {
  const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' })
  const waiting = new Map()
  let lastCall = 0
  worker.onmessage = ({ data }) => {
    if (data.event) return onEvent(data)
    const call = waiting.get(data.id)
    waiting.delete(data.id)
    if (data.error === undefined) call.resolve(data.value)
    else call.reject(new ReplicaError(data.error))
  }
  // A worker that could not even start answers nobody.
  worker.onerror = (event) => {
    const error = new ReplicaError(event.message || 'the worker could not start')
    for (const call of waiting.values()) call.reject(error)
    waiting.clear()
    onEvent({ event: 'failed', error: error.message })
  }
  /** Calls one function of the replica in the worker; rejects with a ReplicaError. */
  return (name, ...args) => new Promise((resolve, reject) => {
    const id = ++lastCall
    waiting.set(id, { resolve, reject })
    worker.postMessage({ id, name, args })
  })
}
