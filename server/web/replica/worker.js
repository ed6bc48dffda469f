// The worker that owns the store: it loads the module, waits for its turn among the open tabs, opens, answers the page's
// calls and talks with the server. It decides nothing about what to send or when: the replica's session does.
import init, * as core from '../pkg/sync_core_wasm.js'

const STORE = 'replica.db'
const LOCK = 'gridwork-replica'
// A tab that was closed a moment ago may still hold its files; its lock is gone before they are.
const OPEN_TRIES = 40
const OPEN_RETRY_MS = 50
// Sooner than the session gives a request up.
const ANSWER_WITHIN_MS = 60_000
// How often the session is asked whether it is time; asking costs nothing.
const ASK_EVERY_MS = 60_000
// Below this, packing saves nothing.
const PACK_FROM_BYTES = 512
const SYNC_TYPE = 'application/vnd.gridwork.sync'

// What the page may call once the module runs, and once the store is ours.
const early = {
  texts: (keys) => JSON.parse(core.texts(keys.join())),
  categories: () => JSON.parse(core.categories()),
  sqlite_version: core.sqlite_version,
}
const functions = {
  is_enrolled: core.is_enrolled,
  status: () => JSON.parse(core.status()),
  outbox: () => JSON.parse(core.outbox()),
  my_open_reports: (limit) => JSON.parse(core.my_open_reports(limit)),
  make_change: (form) => JSON.parse(core.make_change(JSON.stringify(form), now())),
  digest: core.digest,
  state_digest: core.state_digest,
  integrity: core.integrity,
  enrol,
  set_up: setUp,
  sync,
}

const loaded = init()
const opened = start()
// Every call tells the reason; without these lines the browser would report it a second time as nobody's.
loaded.catch(() => {})
opened.catch(() => {})

/**
 * The device's clock. Only the wall clock: a browser's `performance.now()` may stand still while the device sleeps, and
 * an age reckoned by it would be wrong by hours. What the wall clock is off by, the replica learns at each contact.
 */
function now() {
  return JSON.stringify({ wall_ms: Date.now() })
}

async function start() {
  await loaded
  await holdLock()
  for (let tries = 1; ; tries++) {
    try {
      await core.open(STORE)
      break
    } catch (error) {
      if (tries === OPEN_TRIES) throw error
      await new Promise((resolve) => setTimeout(resolve, OPEN_RETRY_MS))
    }
  }
  setInterval(() => sync().catch(report), ASK_EVERY_MS)
}

/** Resolves when the lock is ours; it stays ours until this worker ends. Tells the page when another tab has it. */
function holdLock() {
  return new Promise((resolve, reject) => {
    const hold = () => {
      resolve()
      return new Promise(() => {})
    }
    navigator.locks.request(LOCK, { ifAvailable: true }, (lock) => {
      if (lock) return hold()
      postMessage({ event: 'waiting' })
      navigator.locks.request(LOCK, hold).catch(reject)
    }).catch(reject)
  })
}

/** Redeems a one-time enrolment code and makes the replica. */
async function enrol(code) {
  core.enrol(await redeem('/v1/enrolments', core.enrolment_request(code)))
}

/** Makes a new district's first administrator; the answer is a code to enrol with. */
async function setUp(token, name) {
  return JSON.parse(await redeem('/v1/setups', JSON.stringify({ token, name }))).enrolment_code
}

/** Sends something that is good once. Rejects with the code of the server's problem, or `offline`. */
async function redeem(path, body) {
  let answer
  try {
    answer = await post(path, { 'Content-Type': 'application/json' }, body)
  } catch {
    throw failure('offline', 'no answer')
  }
  const text = await answer.text()
  if (answer.status !== 201) throw failure(problemCode(text), `status ${answer.status}`)
  return text
}

let running = null
let again = 0

/** Talks with the server until nothing is left to say. `asked`: the person or a new link wants it now. */
async function sync(asked = false) {
  if (!core.is_enrolled()) return { reached: false, receipted: 0 }
  if (asked) core.on_link()
  running ??= converse().finally(() => {
    running = null
    postMessage({ event: 'changed' })
  })
  return running
}

async function converse() {
  const result = { reached: true, receipted: 0 }
  clearTimeout(again)
  for (;;) {
    const outgoing = core.next_request(now())
    if (outgoing === undefined) break
    const { request_no: number, bytes } = outgoing
    outgoing.free()
    postMessage({ event: 'syncing' })
    const answer = await exchange(bytes)
    if (answer.body) {
      const taken = JSON.parse(core.on_response(number, answer.body, now()))
      result.receipted += taken.receipted
    } else {
      core.on_failure(number, answer.lost, answer.retryAfterMs, now())
      result.reached = false
    }
  }
  const wait = core.wait_ms(now())
  if (wait > 0) again = setTimeout(() => sync().catch(report), wait)
  return result
}

/** One exchange: the answer's body, or how it was lost. */
async function exchange(bytes) {
  try {
    const headers = { 'Content-Type': SYNC_TYPE }
    let body = bytes
    if (bytes.length >= PACK_FROM_BYTES && 'CompressionStream' in self) {
      headers['Content-Encoding'] = 'gzip'
      body = await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer()
    }
    const answer = await post('/v1/sync', headers, body)
    if (answer.status === 200) return { body: new Uint8Array(await answer.arrayBuffer()) }
    if (answer.status === 401 && problemCode(await answer.text()) === 'replica_unknown') return { lost: 'unknown_replica' }
    const lost = answer.status === 429 || answer.status === 503 ? 'busy' : 'refused'
    return { lost, retryAfterMs: retryAfterMs(answer.headers.get('Retry-After')) }
  } catch {
    return { lost: 'network', retryAfterMs: undefined }
  }
}

function post(path, headers, body) {
  return fetch(path, {
    method: 'POST', headers, body, cache: 'no-store', credentials: 'omit', redirect: 'error',
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  })
}

/** Only the form in seconds; the session bounds it. */
function retryAfterMs(text) {
  return /^[0-9]{1,5}$/.test(text ?? '') ? Number(text) * 1000 : undefined
}

/** An error like those of the module: its message is JSON with a code. */
function failure(code, detail) {
  return new Error(JSON.stringify({ code, detail, problems: [] }))
}

function problemCode(text) {
  try {
    return String(JSON.parse(text).code)
  } catch {
    return 'refused'
  }
}

/** What went wrong with nobody waiting for it. */
function report(error) {
  postMessage({ event: 'failed', error: error instanceof Error ? error.message : String(error) })
}

self.onmessage = async ({ data: { id, name, args } }) => {
  try {
    const table = Object.hasOwn(early, name) ? early : functions
    await (table === early ? loaded : opened)
    if (!Object.hasOwn(table, name)) throw failure('input', `the replica has no function ${name}`)
    postMessage({ id, value: await table[name](...args) })
  } catch (error) {
    postMessage({ id, error: error instanceof Error ? error.message : String(error) })
  }
}
