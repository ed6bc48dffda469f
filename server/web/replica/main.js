// The page: shows what the replica holds. It never touches the store itself, it asks the worker that owns it.

const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' })
const waiting = new Map()
let lastCall = 0

worker.onmessage = ({ data: { id, value, error } }) => {
  const call = waiting.get(id)
  waiting.delete(id)
  if (error === undefined) call.resolve(value)
  else call.reject(new Error(error))
}
// A worker that could not even start answers nobody.
worker.onerror = (event) => {
  const error = new Error(event.message || 'the worker could not start')
  for (const call of waiting.values()) call.reject(error)
  waiting.clear()
  showProblem(error)
}

/** Calls one function of the replica in the worker; rejects with the message of its error. */
function call(name, ...args) {
  return new Promise((resolve, reject) => {
    const id = ++lastCall
    waiting.set(id, { resolve, reject })
    worker.postMessage({ id, name, args })
  })
}

/** Settles once the page can start again without a network; false where the browser has no service workers. */
async function offlineReady() {
  if (!('serviceWorker' in navigator)) return false
  await navigator.serviceWorker.register(new URL('offline.js', import.meta.url))
  await navigator.serviceWorker.ready
  return true
}

function showProblem(error) {
  const problem = document.querySelector('#problem')
  problem.textContent = error.message
  problem.hidden = false
}

async function showCount() {
  document.querySelector('#count').textContent = String(await call('count'))
}

const add = document.querySelector('#add')
add.addEventListener('click', async () => {
  try {
    await call('insert', new Date().toISOString())
    await showCount()
  } catch (error) {
    showProblem(error)
  }
})

// For the browser's console and for tests.
globalThis.replica = { call, offlineReady }

// Registering fails without a network, where the page has just started from the earlier registration.
offlineReady().catch((error) => { if (!navigator.serviceWorker.controller) showProblem(error) })
showCount().then(() => { add.disabled = false }, showProblem)
