// The page: enrol once, report, see where everything stands. It never touches the store itself, it asks the worker.
import { connect } from './client.js'

const LIST_LINES = 100
const NOTICES = [
  'field.category', 'field.title', 'field.description', 'page.outbox.empty', 'page.reports.empty', 'page.report.saved',
  'page.report.choose', 'page.sync.online', 'page.sync.offline', 'page.sync.running', 'page.sync.failed', 'page.sync.done',
  'page.enrol.refused', 'page.enrol.malformed', 'page.enrol.offline', 'page.error.storage', 'page.error.newer_version',
  'page.error.forked', 'page.error.revoked', 'page.error.upgrade_required', 'page.error.unexpected', 'page.error.other_tab',
]
// What a failure's code means to a person.
const MEANINGS = {
  storage: 'page.error.storage',
  newer_version: 'page.error.newer_version',
  code_malformed: 'page.enrol.malformed',
  code_refused: 'page.enrol.refused',
  offline: 'page.enrol.offline',
}

const at = (id) => document.getElementById(id)
const call = connect(heard)
let texts = {}
let categories = []
let syncState = null

/** Chinese, then English, as children of an element. */
function say(element, words) {
  const english = document.createElement('span')
  english.lang = 'en'
  english.textContent = words.en
  element.replaceChildren(words.zh, ' ', english)
}

function show(element, words) {
  element.hidden = !words
  if (words) say(element, words)
}

function element(name, className, words) {
  const made = document.createElement(name)
  made.className = className
  if (typeof words === 'string') made.textContent = words
  else say(made, words)
  return made
}

/** Settles once the page can start again without a network; false where the browser has no service workers. */
async function offlineReady() {
  if (!('serviceWorker' in navigator)) return false
  await navigator.serviceWorker.register(new URL('offline.js', import.meta.url))
  await navigator.serviceWorker.ready
  return true
}

function heard({ event, error }) {
  if (event === 'waiting') show(at('notice'), texts['page.error.other_tab'] ?? OTHER_TAB)
  if (event === 'syncing') showSync('page.sync.running')
  if (event === 'changed') refresh().catch(showProblem)
  if (event === 'failed') showProblem(new Error(error))
}

// Until the catalogue is there: the module that holds it may still be loading.
const OTHER_TAB = { zh: '已在另一个标签页打开', en: 'Open in another tab' }

function showProblem(error) {
  console.warn(error.message)
  const key = MEANINGS[error.code] ?? 'page.error.unexpected'
  // Before the catalogue is there, the bare reason is better than nothing.
  show(at('problem'), texts[key] ?? { zh: '无法打开', en: error.message })
}

function showSync(key) {
  syncState = key
  show(at('sync-state'), key && texts[key])
}

function showLink() {
  say(at('link'), texts[navigator.onLine ? 'page.sync.online' : 'page.sync.offline'])
}

function card(line) {
  const item = document.createElement('li')
  item.dataset.record = line.record
  const category = categories.find((each) => each.code === line.category)
  const head = document.createElement('div')
  head.className = 'head'
  head.append(
    element('span', 'what', line.title ?? category ?? line.intent ?? line.record),
    element('span', 'word', line.word),
  )
  item.append(head, element('p', 'next', line.next))
  for (const problem of line.problems ?? []) item.append(element('p', 'wrong', problem.text))
  if (line.reason) item.append(element('p', 'wrong', line.reason))
  return item
}

function fill(list, lines, emptyKey) {
  list.replaceChildren(...lines.map(card))
  if (lines.length === 0) list.append(element('li', 'empty', texts[emptyKey]))
}

function fillUnits(units) {
  const select = at('unit')
  const numbers = [...select.options].map((option) => option.value).join()
  if (numbers !== units.join()) select.replaceChildren(...units.map((unit) => new Option(String(unit), String(unit))))
  at('unit-field').hidden = units.length < 2
  at('no-unit').hidden = units.length > 0
  at('report-form').hidden = units.length === 0
}

/** The one-time token of a new district's set-up link, from the part of the address that no server sees. */
function setupToken() {
  return new URLSearchParams(location.hash.slice(1)).get('setup')
}

/** Shows all anew from the store. */
async function refresh() {
  const enrolled = await call('is_enrolled')
  at('notice').hidden = true
  at('setup').hidden = enrolled || !setupToken()
  at('enrol').hidden = enrolled || !at('setup').hidden
  at('report').hidden = at('lists').hidden = !enrolled
  if (!enrolled) return
  const [status, outbox, reports] = await Promise.all([call('status'), call('outbox'), call('my_open_reports', LIST_LINES)])
  fill(at('outbox'), outbox, 'page.outbox.empty')
  fill(at('reports'), reports, 'page.reports.empty')
  fillUnits(status.units)
  at('waiting').textContent = String(status.waiting)
  at('person').textContent = String(status.person)
  at('device').textContent = String(status.replica_no)
  at('records').textContent = String(status.records)
  at('digest').textContent = status.digest
  if (status.condition !== 'ok') show(at('notice'), texts[`page.error.${status.condition}`])
}

/** Talks with the server and says how it went. `asked`: a person or a new link wants it now. */
async function sync(asked) {
  if (!await call('is_enrolled')) return
  const { reached } = await call('sync', asked)
  if (syncState === 'page.sync.running') showSync(reached ? 'page.sync.done' : 'page.sync.failed')
}

/** Runs the work of a button with the button held down, and shows what went wrong. */
async function pressed(button, work) {
  button.disabled = true
  at('problem').hidden = true
  try {
    await work()
  } catch (error) {
    showProblem(error)
  } finally {
    button.disabled = false
  }
}

at('setup-form').addEventListener('submit', (event) => {
  event.preventDefault()
  pressed(event.target.querySelector('button'), async () => {
    at('code').value = await call('set_up', setupToken(), at('name').value.trim())
    // The token is used up, and must not stay in the history.
    history.replaceState(null, '', location.pathname)
    await refresh()
  })
})

at('enrol-form').addEventListener('submit', (event) => {
  event.preventDefault()
  pressed(event.target.querySelector('button'), async () => {
    await call('enrol', at('code').value.trim())
    at('code').value = ''
    // The store must outlive the browser's spring cleaning; where the browser refuses, work goes on all the same.
    await navigator.storage?.persist?.().catch(() => false)
    await refresh()
    sync(true).catch(showProblem)
  })
})

at('report-form').addEventListener('submit', (event) => {
  event.preventDefault()
  const form = event.target
  pressed(form.querySelector('button'), async () => {
    const open = {}
    for (const name of ['category', 'title', 'description']) {
      const value = form.elements[name].value.trim()
      if (value) open[name] = value
    }
    const problems = at('form-problems')
    try {
      await call('make_change', { unit: Number(form.elements.unit.value), intent: 'report.create', open })
    } catch (error) {
      if (error.code !== 'invalid') throw error
      problems.replaceChildren(...error.problems.map((problem) => element('li', '', problem.text)))
      problems.hidden = false
      form.elements[error.problems.find(({ field }) => field in open || field === 'category')?.field]?.focus()
      return
    }
    problems.hidden = true
    form.reset()
    await refresh()
    show(at('notice'), texts['page.report.saved'])
    sync(false).catch(showProblem)
  })
})

at('sync').addEventListener('click', () => pressed(at('sync'), () => sync(true)))
addEventListener('hashchange', () => refresh().catch(showProblem))
addEventListener('offline', showLink)
addEventListener('online', () => {
  showLink()
  sync(true).catch(showProblem)
})

// For the browser's console and for tests.
globalThis.replica = { call, offlineReady }

async function start() {
  // Registering fails without a network, where the page has just started from the earlier registration.
  offlineReady().catch((error) => { if (!navigator.serviceWorker.controller) showProblem(error) })
  const marked = [...document.querySelectorAll('[data-text]')]
  texts = await call('texts', [...NOTICES, ...marked.map((each) => each.dataset.text)])
  for (const each of marked) say(each, texts[each.dataset.text])
  categories = await call('categories')
  const choose = texts['page.report.choose']
  at('category').replaceChildren(
    new Option(`${choose.zh} ${choose.en}`, ''),
    ...categories.map(({ code, zh, en }) => new Option(`${zh} ${en}`, code)),
  )
  showLink()
  await refresh()
  document.documentElement.dataset.ready = 'yes'
  await sync(true)
}

start().catch(showProblem)
