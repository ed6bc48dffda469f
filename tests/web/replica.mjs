// The replica in a real browser against a real server: enrolled in the page, three reports made offline, the browser
// killed, started again with neither network nor server, then synced; it must hold the same bytes as a native replica.
// Usage: node replica.mjs [FOLDER]   (the built page; default: server/web/dist, as build.sh leaves it)
// The program: $GRIDWORK_BIN, by default that of cargo's debug build.
// Prints one line a step and, last, one JSON object. Exit code: 0 passed; 1 failed; 3 not run (no browser, no page).
import assert from 'node:assert/strict'
import { access, constants, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { findChromium, kill, launch } from './browser.mjs'
import { commands, serve } from './gridwork.mjs'

const STEP_LIMIT_MS = 60_000
const TITLES = ['井盖破损', '路灯不亮', 'blocked drain']
const TITLE_MAX = 100
const TOUCH_MIN_PX = 44
// What Chromium itself writes into its console about requests that this test makes fail.
const EXPECTED_TROUBLE = [
  /net::ERR_(INTERNET_DISCONNECTED|CONNECTION_REFUSED|FAILED)/,
  /status of 403 .*\/v1\/enrolments/,
]

function notRun(reason) {
  console.error(`replica.mjs: not run: ${reason}`)
  process.exit(3)
}

const here = (relative) => fileURLToPath(new URL(relative, import.meta.url))
const web = path.resolve(process.argv[2] ?? here('../../server/web/dist'))
const playwright = await import('playwright-core').catch(() => notRun('playwright-core is not installed (tests/web/setup.sh)'))
const executablePath = await findChromium() ?? notRun('no chromium (tests/web/setup.sh)')
await access(path.join(web, 'pkg/sync_core_wasm_bg.wasm')).catch(() => notRun(`${web} is not built (tests/web/build.sh)`))

const built = path.join(process.env.CARGO_TARGET_DIR ?? here('../../target'), 'debug')
const gridworkBin = process.env.GRIDWORK_BIN ?? path.join(built, 'gridwork')
await access(gridworkBin, constants.X_OK).catch(() => {
  console.error(`replica.mjs: ${gridworkBin} is not there (cargo build)`)
  process.exit(1)
})

const scratch = await mkdtemp(path.join(os.tmpdir(), 'gridwork-page-'))
const profile = path.join(scratch, 'profile')
const data = path.join(scratch, 'data')
const shots = process.env.SHOTS_DIR
const gridwork = commands(gridworkBin, data)
const trouble = []
const steps = {}
const started = performance.now()
let server = null
let context = null

const startBrowser = async ({ offline }) => {
  context = await launch(playwright.chromium, executablePath, profile, server.url, trouble, EXPECTED_TROUBLE)
  context.setDefaultTimeout(STEP_LIMIT_MS)
  await context.setOffline(offline)
  const page = context.pages()[0] ?? await context.newPage()
  await page.goto(`${server.url}/replica/`)
  await page.waitForSelector('html[data-ready]')
  return page
}
const call = (page, name, ...args) =>
  page.evaluate(([name, args]) => globalThis.replica.call(name, ...args), [name, args])
const words = (page, list) => page.locator(`#${list} li .word`).allTextContents()
const titles = (page, list) => page.locator(`#${list} li .what`).allTextContents()
const shot = async (page, name) => {
  if (!shots) return
  await mkdir(shots, { recursive: true })
  await page.screenshot({ path: path.join(shots, `${name}.png`), fullPage: true })
}
const fillReport = async (page, title) => {
  await page.selectOption('#category', { index: 1 })
  await page.fill('#title', title)
  await page.click('#report-form button')
}
const step = async (name, work) => {
  const began = performance.now()
  let timer
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${STEP_LIMIT_MS} ms: ${name}`)), STEP_LIMIT_MS)
  })
  const value = await Promise.race([work(), limit]).finally(() => clearTimeout(timer))
  steps[name] = Math.round(performance.now() - began)
  console.log(`ok ${name} (${steps[name]} ms)`)
  return value
}

let failure = null
let digests = null
try {
  const { person, setupPath } = await step('a district, a person with a role, a server', async () => {
    const { setup_path: setupPath } = await gridwork.init('440399', '测试')
    const person = await gridwork.addPerson('甲')
    await gridwork.grant(person, 'worker', 1)
    server = await serve(gridworkBin, data, web)
    return { person, setupPath }
  })
  const first = await step('the page opens, not enrolled, in both languages', async () => {
    const page = await startBrowser({ offline: false })
    assert.match(await page.textContent('#enrol-title'), /^登记这台设备 Enrol this device$/)
    assert.equal(await page.isVisible('#lists'), false)
    await shot(page, 'enrol')
    return page
  })
  await step('it is kept for a start without a network', async () => {
    assert.equal(await first.evaluate(() => globalThis.replica.offlineReady()), true)
  })
  await step('codes that are none are refused in words', async () => {
    await first.fill('#code', '12ab')
    await first.click('#enrol-form button')
    await first.waitForSelector('#problem:has-text("八位数字")')
    await first.fill('#code', '00000000')
    await first.click('#enrol-form button')
    await first.waitForSelector('#problem:has-text("登记码不对")')
  })
  await step('the set-up link makes the first administrator, once, and hands over a code', async () => {
    await first.goto(server.url + setupPath)
    await first.fill('#name', '首位管理员')
    await first.click('#setup-form button')
    await first.waitForSelector('#enrol', { state: 'visible' })
    assert.match(await first.inputValue('#code'), /^[0-9]{8}$/)
    assert.equal(new URL(first.url()).hash, '')
  })
  await step('enrolled by a code; the scope comes with the first sync', async () => {
    await first.fill('#code', await gridwork.code(person))
    await first.click('#enrol-form button')
    await first.waitForSelector('#report-form', { state: 'visible' })
    assert.equal((await call(first, 'status')).person, person)
  })
  await step('three reports without a network', async () => {
    await context.setOffline(true)
    for (const [index, title] of TITLES.entries()) {
      await fillReport(first, title)
      await first.waitForFunction((count) => document.querySelectorAll('#outbox li[data-record]').length === count, index + 1)
    }
    assert.deepEqual(await titles(first, 'outbox'), TITLES)
    await shot(first, 'offline')
  })
  await step('a report with faults names each, and is not stored', async () => {
    await first.selectOption('#category', '')
    await first.fill('#title', '长'.repeat(TITLE_MAX + 1))
    await first.click('#report-form button')
    await first.waitForSelector('#form-problems li >> nth=1')
    const told = (await first.locator('#form-problems li').allTextContents()).join('\n')
    assert.match(told, /类别.*Category/)
    assert.match(told, /标题.*100.*Title.*100/)
    assert.equal((await call(first, 'outbox')).length, TITLES.length)
  })
  await step('a bad call is an error, not an end', async () => {
    await assert.rejects(call(first, 'no_such_function'), /no function no_such_function/)
    await assert.rejects(call(first, 'make_change', { unit: -1, intent: 'report.create', open: {} }), /input: /)
    await assert.rejects(call(first, 'enrol', await gridwork.code(person)), /offline|already_enrolled/)
    assert.equal((await call(first, 'outbox')).length, TITLES.length)
  })
  await step('nothing is wider than the phone, and what is touched is large', async () => {
    assert.equal(await first.evaluate(() => document.documentElement.scrollWidth > innerWidth), false)
    const small = await first.evaluate((least) => [...document.querySelectorAll('button, input, select, textarea')]
      .filter((each) => each.offsetParent && each.getBoundingClientRect().height < least).map((each) => each.id), TOUCH_MIN_PX)
    assert.deepEqual(small, [])
  })
  await step('SIGKILL of the browser', () => kill(context))
  await step('the server stops in order', async () => assert.equal(await server.stop(), 0))
  const second = await step('started again with neither network nor server: three reports wait', async () => {
    const page = await startBrowser({ offline: true })
    assert.deepEqual(await titles(page, 'outbox'), TITLES)
    for (const word of await words(page, 'outbox')) assert.match(word, /^待发 /)
    assert.equal(await call(page, 'integrity'), 'ok')
    return page
  })
  await step('reloaded: they still wait', async () => {
    await second.reload()
    await second.waitForSelector('html[data-ready]')
    assert.equal((await words(second, 'outbox')).length, TITLES.length)
  })
  await step('server and network are back: synced by itself, every report received', async () => {
    server = await serve(gridworkBin, data, web, server.port)
    await context.setOffline(false)
    await second.waitForFunction(() => document.querySelector('#waiting').textContent === '0')
    const shown = await words(second, 'reports')
    assert.equal(shown.length, TITLES.length)
    for (const word of shown) assert.match(word, /^(已收|已受理) /)
    assert.equal(await second.locator('#outbox li[data-record]').count(), 0)
    await shot(second, 'synced')
  })
  await step('a native replica of the person holds them, and reports once more', async () => {
    const script = path.join(scratch, 'native.jsonl')
    await writeFile(script, '{"intent":"report.create","payload":{"category":"SAN-01","title":"native 来的"}}')
    const at = ['--data', path.join(scratch, 'native.db')]
    const link = ['--server', server.url]
    await gridwork.device('enrol', ...at, ...link, '--code', await gridwork.code(person))
    await gridwork.device('sync', ...at, ...link)
    await gridwork.device('make', ...at, '--script', script)
    const native = await gridwork.device('sync', ...at, ...link)
    assert.equal(native.records, TITLES.length + 1)
    digests = { native: { digest: native.digest, state_digest: native.state_digest } }
  })
  await step('the button fetches it: digest and state are byte for byte the native ones', async () => {
    await second.click('#sync')
    await second.waitForFunction((count) => document.querySelectorAll('#reports li[data-record]').length === count, TITLES.length + 1)
    digests.page = { digest: await call(second, 'digest'), state_digest: await call(second, 'state_digest') }
    assert.deepEqual(digests.page, digests.native)
    assert.equal(await second.textContent('#digest'), digests.page.digest)
  })
  steps.sqlite = await call(second, 'sqlite_version')
  await step('a second tab waits its turn, and takes over when the first closes', async () => {
    const tab = await context.newPage()
    await tab.goto(`${server.url}/replica/`)
    await tab.waitForSelector('#notice:has-text("另一个标签页")')
    await second.close()
    await tab.waitForSelector('html[data-ready]')
    assert.equal(await call(tab, 'state_digest'), digests.page.state_digest)
    await tab.emulateMedia({ colorScheme: 'dark' })
    await shot(tab, 'dark')
  })
  await step('a clean end, and once more', async () => {
    await context.close()
    const page = await startBrowser({ offline: false })
    assert.equal(await call(page, 'state_digest'), digests.page.state_digest)
  })
  assert.deepEqual(trouble, [])
} catch (error) {
  failure = error
} finally {
  await context?.close().catch(() => {})
  await server?.stop()
  await rm(scratch, { recursive: true, force: true, maxRetries: 10 })
}
if (failure) console.error(failure, trouble)
const seconds = Number(((performance.now() - started) / 1000).toFixed(1))
console.log(JSON.stringify({ passed: failure === null, seconds, digests, steps }))
process.exitCode = failure === null ? 0 : 1
