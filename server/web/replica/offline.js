// The service worker: keeps one complete version of the page, so that it starts without a network.
// SHELL (version and file list) is written by the build; a new version there makes the browser fetch this worker anew,
// which then waits until no page of the old version is open. So a page never mixes files of two versions.
importScripts('shell.js')

const CACHE = `gridwork-replica-${self.SHELL.version}`

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) =>
    cache.addAll(self.SHELL.files.map((file) => new Request(file, { cache: 'no-cache' })))))
})

self.addEventListener('activate', (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith('gridwork-replica-') && name !== CACHE) await caches.delete(name)
    }
    // The page of the very first visit too.
    await self.clients.claim()
  })())
})

self.addEventListener('fetch', (event) => {
  if (event.request.method !== 'GET') return
  event.respondWith((async () => {
    const cache = await caches.open(CACHE)
    return (await cache.match(event.request, { ignoreSearch: event.request.mode === 'navigate' })) ?? fetch(event.request)
  })())
})
