// A plain file server on loopback, with the headers the real server sends for the browser side.
import { createServer } from 'node:http'
import { readFile } from 'node:fs/promises'
import path from 'node:path'

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
}

const HEADERS = {
  'Content-Security-Policy':
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-cache',
}

/** Serves the folder `root`; port 0 takes a free one. The origin's storage hangs on the port: restart on the same. */
export async function serve(root, port = 0) {
  const base = path.resolve(root)
  const server = createServer(async (request, response) => {
    try {
      const asked = decodeURIComponent(new URL(request.url, 'http://localhost').pathname)
      const file = path.join(base, asked.endsWith('/') ? `${asked}index.html` : asked)
      if (!file.startsWith(base + path.sep)) throw new Error('outside of the root')
      const body = await readFile(file)
      response.writeHead(200, { ...HEADERS, 'Content-Type': TYPES[path.extname(file)] ?? 'application/octet-stream' })
      response.end(body)
    } catch {
      response.writeHead(404, HEADERS).end()
    }
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  return {
    port: server.address().port,
    url: `http://127.0.0.1:${server.address().port}`,
    stop: () => new Promise((resolve) => {
      server.close(resolve)
      server.closeAllConnections()
    }),
  }
}
