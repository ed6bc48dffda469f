// The replica in a real browser: rows committed in headless Chromium outlive a SIGKILL of it, and the page starts
// again with no server there. Usage: node replica.mjs [FOLDER]   (default: server/web/dist, as build.sh leaves it)
// Prints one line a step and, last, one JSON object. Exit code: 0 passed; 1 failed; 3 not run (no browser, no build).
import assert from 'node:assert/strict'
import { access, mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { findChromium, kill, launch } from './browser.mjs'
import { serve } from './static-server.mjs'

const PAGE = '/replica/'
const STEP_LIMIT_MS = 60_000

function notRun(reason) {
  console.error(`replica.mjs: not run: ${reason}`)
  process.exit(3)
}

const root = process.argv[2] ?? fileURLToPath(new URL('../../server/web/dist', import.meta.url))
const playwright = await import('playwright-core').catch(() => notRun('playwright-core is not installed (tests/web/setup.sh)'))
const executablePath = await findChromium() ?? notRun('no chromium (tests/web/setup.sh)')
await access(path.join(root, 'pkg/sync_core_wasm_bg.wasm')).catch(() => notRun(`${root} is not built (tests/web/build.sh)`))

const profile = await mkdtemp(path.join(os.tmpdir(), 'gridwork-browser-'))
const trouble = []
const steps = {}
let server = await serve(root)
let context = null

const open = async () => {
  context = await launch(playwright.chromium, executablePath, profile, server.url, trouble)
  context.setDefaultTimeout(STEP_LIMIT_MS)
  const page = context.pages()[0] ?? await context.newPage()
  await page.goto(server.url + PAGE)
  await page.waitForFunction(() => globalThis.replica !== undefined)
  return page
}
const call = (page, name, ...args) =>
  page.evaluate(([name, args]) => globalThis.replica.call(name, ...args), [name, args])
const step = async (name, work) => {
  const started = performance.now()
  let timer
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${STEP_LIMIT_MS} ms: ${name}`)), STEP_LIMIT_MS)
  })
  const value = await Promise.race([work(), limit]).finally(() => clearTimeout(timer))
  steps[name] = Math.round(performance.now() - started)
  console.log(`ok ${name} (${steps[name]} ms)`)
  return value
}

let failure = null
try {
  const first = await step('a new store opens empty', async () => {
    const page = await open()
    assert.equal(await call(page, 'count'), 0)
    return page
  })
  await step('the page is kept for a start without a network', async () => {
    assert.equal(await first.evaluate(() => globalThis.replica.offlineReady()), true)
  })
  await step('three rows, each in its own durable transaction', async () => {
    for (const text of ['井盖破损', '路灯不亮', 'blocked drain']) await call(first, 'insert', text)
    assert.equal(await call(first, 'count'), 3)
  })
  await step('a bad call is an error, not an end', async () => {
    await assert.rejects(call(first, 'no_such_function'), /no function no_such_function/)
    assert.equal(await call(first, 'count'), 3)
  })
  await step('SIGKILL of the browser', () => kill(context))
  await step('the server stops', () => server.stop())
  const second = await step('started again with no server: the rows are there', async () => {
    const page = await open()
    assert.equal(await call(page, 'count'), 3)
    assert.equal(await call(page, 'integrity'), 'ok')
    return page
  })
  await step('a row added without a server', async () => {
    await second.click('#add')
    await second.waitForFunction(() => document.querySelector('#count').textContent === '4')
  })
  await step('reloaded without a server: four rows', async () => {
    await second.reload()
    await second.waitForFunction(() => document.querySelector('#count').textContent === '4')
  })
  steps.sqlite = await call(second, 'sqlite_version')
  server = await serve(root, server.port)
  await step('a second tab waits its turn, and takes over when the first closes', async () => {
    const tab = await context.newPage()
    await tab.goto(server.url + PAGE)
    await tab.waitForFunction(async () => (await navigator.locks.query()).pending.length === 1)
    assert.equal(await tab.textContent('#count'), '…')
    await second.close()
    assert.equal(await call(tab, 'count'), 4)
  })
  await step('a clean end, and once more with the server', async () => {
    await context.close()
    assert.equal(await call(await open(), 'count'), 4)
  })
  assert.deepEqual(trouble, [])
} catch (error) {
  failure = error
} finally {
  await context?.close().catch(() => {})
  await server.stop()
  await rm(profile, { recursive: true, force: true, maxRetries: 10 })
}
if (failure) console.error(failure, trouble)
console.log(JSON.stringify({ passed: failure === null, steps }))
process.exitCode = failure === null ? 0 : 1
