// A real `gridwork` on a data folder of its own: its commands, and the server as a child process.
import { execFile, spawn } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

const run = promisify(execFile)
const COMMAND_WITHIN_MS = 60_000
const START_WITHIN_MS = 60_000
const STOP_WITHIN_MS = 30_000

/** Runs a program that prints one JSON object and gives that back. */
export async function json(program, args) {
  const { stdout } = await run(program, args, { timeout: COMMAND_WITHIN_MS })
  return JSON.parse(stdout)
}

/** The commands of `gridwork` over the data folder `data`; `device` has data of its own. */
export function commands(program, data) {
  const admin = (...args) => json(program, ['admin', '--data', data, ...args, '--json'])
  return {
    init: (district, name) => json(program, ['init', '--data', data, '--district', district, '--name', name, '--json']),
    addPerson: async (name) => (await admin('add-person', '--name', name)).person,
    grant: (person, role, unit) => admin('grant', '--person', String(person), '--role', role, '--unit', String(unit)),
    device: (...args) => json(program, ['device', ...args, '--json']),
    code: async (person) => (await admin('code', '--person', String(person))).code,
  }
}

/** Starts the server with the page of the folder `web`; port 0 takes a free one. The origin's storage hangs on the port. */
export async function serve(program, data, web, port = 0) {
  const args = ['serve', '--data', data, '--web', web, '--listen', `127.0.0.1:${port}`]
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.on('data', (bytes) => { said = (said + bytes).slice(-4_000) })
  const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal)))
  const url = await new Promise((resolve, reject) => {
    const fail = (reason) => reject(new Error(`${path.basename(program)} serve: ${reason}\n${said}`))
    const timer = setTimeout(() => { child.kill('SIGKILL'); fail(`no address after ${START_WITHIN_MS} ms`) }, START_WITHIN_MS)
    const settle = (settled) => { clearTimeout(timer); settled() }
    child.once('error', (error) => settle(() => fail(error.message)))
    ended.then((code) => settle(() => fail(`ended with ${code}`)))
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = line.match(/http:\/\/127\.0\.0\.1:[0-9]+/)
      if (found) settle(() => resolve(found[0]))
    })
  })
  return {
    url,
    port: Number(new URL(url).port),
    /** SIGTERM; the exit code. */
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return ended
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS)
      return ended.finally(() => clearTimeout(timer))
    },
  }
}
