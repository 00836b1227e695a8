// Xen Orchestra's client against the lab: connects, follows events, and tells its cache on demand.
//
// Configuration in the environment: XAPI_URL, XAPI_USER, XAPI_PASSWORD, XAPI_TRANSPORT. One word a line on stdin, one line
// of JSON on stdout: `objects` passes a barrier and tells type -> uuids; the end of stdin disconnects.
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

const require = createRequire(pathToFileURL(process.env.XO_CLIENT_MODULES + '/'))
const { createClient } = await import(pathToFileURL(require.resolve('xen-api')))

const xapi = createClient({
  auth: { user: process.env.XAPI_USER, password: process.env.XAPI_PASSWORD },
  debounce: 50,
  eventPollDelay: 100,
  transport: process.env.XAPI_TRANSPORT,
  url: process.env.XAPI_URL,
})
// Between a session that was lost and the next one the client has none, and asserts that it has: asked again then.
const barrier = async (tries = 50) => {
  try {
    await xapi.barrier()
  } catch (error) {
    if (error.code !== 'ERR_ASSERTION' || tries === 0) throw error
    await setTimeout(100)
    await barrier(tries - 1)
  }
}
await xapi.connect()
await xapi.objectsFetched
console.log(JSON.stringify({ connected: true }))

for await (const command of createInterface({ input: process.stdin })) {
  if (command === 'objects') {
    await barrier()
    const types = {}
    for (const object of Object.values(xapi.objects.all)) {
      ;(types[object.$type] ??= []).push(object.uuid)
    }
    console.log(JSON.stringify(types))
  }
}
await xapi.disconnect()
process.exit(0)
