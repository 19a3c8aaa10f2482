// SPDX-License-Identifier: Apache-2.0
// Real kithd processes and iroh endpoints on loopback, with no relay and no discovery. Everything that waits has a limit.
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import * as wire from './wire.mjs'

const patience = Number(process.env.KITH_PATIENCE ?? 30) * 1000 // only a failing test waits so long
const bin = join(process.env.KITH_BUILD, 'bin')
export const alpn = Array.from(Buffer.from('kith/1'))

export const iroh = (() => {
  try {
    return createRequire(join(process.env.KITH_IROH, 'package.json'))('@number0/iroh')
  } catch (error) {
    console.log(`SKIPPED: the npm package @number0/iroh can't be had here (${error.code ?? error.message})`)
    process.exit(77)
  }
})()

export function within(promise, what, limit = patience) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`still waiting for ${what}`)), limit)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/// What a test leaves to be cleaned up, the last first.
const leftovers = []
export function later(clean) {
  leftovers.push(clean)
}
export async function cleanUp() {
  while (leftovers.length) await within(Promise.resolve(leftovers.pop()()), 'the end of the test').catch((error) => console.error(error.message))
}

/// One kithd in a home of its own. `kith(...)` runs a command against it: {code, out, err}.
export async function startDaemon() {
  const home = mkdtempSync(join(tmpdir(), 'kith-interop-'))
  later(() => rmSync(home, { recursive: true, force: true }))
  const child = spawn(join(bin, 'kithd'), ['--home', home, '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  later(() => {
    child.kill('SIGKILL')
    return ended
  })
  let log = ''
  const ready = new Promise((resolve, reject) => {
    child.stderr.on('data', (data) => {
      log += data
      if (log.includes('is ready')) resolve()
    })
    ended.then((code) => reject(new Error(`kithd ended (${code}):\n${log}`)))
  })
  await within(ready, 'kithd')
  const kith = (args, input) =>
    new Promise((resolve) => {
      const program = execFile(join(bin, 'kith'), ['--home', home, ...args], { timeout: patience, encoding: 'buffer', maxBuffer: 1 << 28 },
        (error, out, err) => resolve({ code: error ? error.code ?? -1 : 0, out, err: err.toString() }))
      program.stdin.on('error', () => {}) // a program that ends before it has read all of it
      program.stdin.end(input ?? '')
    })
  const ok = async (args, input) => {
    const done = await kith(args, input)
    if (done.code !== 0) throw new Error(`kith ${args.join(' ')}: exit code ${done.code}: ${done.err}\n${log}`)
    return done.out.toString()
  }
  return { kith, ok, home, address: /listening on (\S+)/.exec(log)[1], log: () => log }
}

/// alice, online, with Echo; {daemon, id (32 octets), address}.
export async function startAlice(access = 'public') {
  const daemon = await startDaemon()
  await daemon.ok(['create-identity', 'alice', '--online'])
  await daemon.ok(['add-protocol', 'alice', '--protocol', 'Echo', '--access', access])
  const shown = JSON.parse(await daemon.ok(['show-identity', 'alice', '--json']))
  return { daemon, id: wire.id52ToBytes(shown.id), address: daemon.address }
}

export async function irohEndpoint(alpns = []) {
  const builder = iroh.Endpoint.builder()
  iroh.presetMinimal(builder)
  builder.relayMode(iroh.RelayMode.disabled())
  builder.bindAddr('127.0.0.1:0')
  builder.alpns(alpns)
  const endpoint = await within(builder.bind(), 'an iroh endpoint')
  later(() => endpoint.close())
  return endpoint
}

export function irohAddress(id, address) {
  return new iroh.EndpointAddr(iroh.EndpointId.fromBytes(Array.from(id)), undefined, [address])
}

export function connect(endpoint, alice) {
  return within(endpoint.connect(irohAddress(alice.id, alice.address), alpn), 'a connection')
}

const piece = 64 * 1024

export async function writeAll(send, data) {
  for (let at = 0; at < data.length; at += piece) await send.writeAll(Array.from(data.subarray(at, at + piece)))
}

/// Reads until `done` makes something of what has come; then gives that.
export async function readUntil(recv, done) {
  let got = Buffer.alloc(0)
  for (;;) {
    const made = done(got)
    if (made !== undefined) return made
    const more = await recv.read(piece)
    if (more.length === 0) throw new Error(`the stream ended after ${got.length} octets`)
    got = Buffer.concat([got, Buffer.from(more)])
  }
}

export async function readToEnd(recv, first = Buffer.alloc(0)) {
  const parts = [first]
  for (;;) {
    const more = await recv.read(piece)
    if (more.length === 0) return Buffer.concat(parts)
    parts.push(Buffer.from(more))
  }
}

/// A call as docs/wire.md has it: {reply, body}.
export async function call(connection, open, request) {
  const { send, recv } = await within(connection.openBi(), 'a stream')
  const sending = (async () => {
    await writeAll(send, Buffer.concat([wire.encodeOpen(open), Buffer.from(request)]))
    await send.finish()
  })()
  const { reply, rest } = await within(readUntil(recv, wire.decodeReply), 'a reply')
  const body = await within(readToEnd(recv, rest), 'a response')
  await sending.catch((error) => {
    if (reply.ok) throw error // an acceptor that refuses stops our sending
  })
  return { reply, body }
}
