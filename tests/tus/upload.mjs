// Uploads the files of a list with tus-js-client, over a link that breaks.
//
// usage: upload.mjs URL TOKEN LIST      LIST: JSON, [{"path", "sha256", "media_type"}]
import { readFile } from 'node:fs/promises'
import * as tus from 'tus-js-client'

// Small, so that a file takes several requests.
const CHUNK_BYTES = 40_000
const ATTEMPTS_MAX = 60
const PAUSE_MS = 100

let broken = 0

/** One file; every second one brings its first piece together with its creation. */
function upload(endpoint, token, item, bytes, index) {
  return new Promise((resolve, reject) => {
    const running = new tus.Upload(bytes, {
      endpoint,
      chunkSize: CHUNK_BYTES,
      headers: { Authorization: `Bearer ${token}` },
      metadata: { sha256: item.sha256, filetype: item.media_type },
      retryDelays: Array(ATTEMPTS_MAX).fill(PAUSE_MS),
      uploadDataDuringCreation: index % 2 === 0,
      onShouldRetry(error) {
        broken += 1
        const status = error.originalResponse ? error.originalResponse.getStatus() : 0
        return status < 400 || status === 409 || status === 423 || status >= 500
      },
      onError: reject,
      onSuccess: resolve,
    })
    running.start()
  })
}

const [endpoint, token, list] = process.argv.slice(2)
const items = JSON.parse(await readFile(list, 'utf8'))
for (const [index, item] of items.entries()) {
  await upload(endpoint, token, item, await readFile(item.path), index)
}
console.log(JSON.stringify({ client: 'tus-js-client', files: items.length, broken }))
