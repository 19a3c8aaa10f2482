// SPDX-License-Identifier: Apache-2.0
// kith and iroh 1.1 as peers of each other: `node interop_test.mjs CASE`.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import {
  alpn, call, cleanUp, connect, iroh, irohAddress, irohEndpoint, readToEnd, readUntil, startAlice, startDaemon, within, writeAll,
} from './harness.mjs'
import * as wire from './wire.mjs'

const json = (value) => JSON.stringify(value)
const echo = { protocol: 'Echo', type: 'json' }

/// A dial that the other end turns down, rather than one that nobody answers.
async function turnedDown(endpoint, id, address, offered = alpn) {
  const dial = within(endpoint.connect(irohAddress(id, address), offered), 'a refusal', 9000)
  await assert.rejects(dial, (error) => !/still waiting/.test(error.message))
}

const cases = {
  // The codec of this folder against the examples that kith's own is tested with.
  async vectors() {
    const lines = readFileSync(process.env.KITH_VECTORS, 'utf8').split('\n')
    const find = (name) => Buffer.from(lines.map((line) => line.split('|').map((word) => word.trim())).find((words) => words[1] === name)[2], 'hex')
    assert.deepEqual(wire.encodeOpen({ protocol: 'Echo' }), find('call-minimal'))
    assert.deepEqual(wire.decodeOpen(find('call-full')).header,
      { version: 1, kind: 'call', protocol: 'Social', alias: 'home', command: 'friend.list', type: 'json', deadline: 10000 })
    assert.deepEqual(wire.encodeReply({ type: 'json' }), find('ok-json'))
    assert.deepEqual(wire.decodeReply(find('application-error')).reply, { ok: false, code: 1001, text: 'too long' })
    assert.equal(wire.decodeFrame(find('hello').subarray(1)).type, wire.control.hello)
    const id = randomBytes(32)
    assert.deepEqual(wire.id52ToBytes(wire.bytesToId52(id)), id)
  },

  // Twice in a row on connections of their own: what a resumed session would break. The same endpoint, so that iroh has every chance to resume.
  async iroh_calls_twice() {
    const alice = await startAlice()
    const endpoint = await irohEndpoint()
    for (const message of ['hi', 'hi again']) {
      const connection = await connect(endpoint, alice)
      assert.deepEqual(connection.remoteId().toBytes(), Array.from(alice.id))
      for (let i = 0; i < 3; i++) {
        const { reply, body } = await call(connection, echo, json({ message }))
        assert.deepEqual(reply, { ok: true, type: 'json' })
        assert.equal(body.toString(), json({ echoed: message }))
      }
      connection.close(0n, [])
      await within(connection.closed(), 'the close')
    }
    const status = JSON.parse(await alice.daemon.ok(['status', '--json']))
    assert.equal(status.pool.handshakes, 2, 'two connections, each with a handshake of its own')
  },

  async iroh_streams_megabytes() {
    const alice = await startAlice()
    const connection = await connect(await irohEndpoint(), alice)
    const { send, recv } = await connection.openBi()
    const data = randomBytes(4 << 20)
    const sending = (async () => {
      await send.writeAll(Array.from(wire.encodeOpen({ kind: 'stream', protocol: 'Echo' })))
      await writeAll(send, data)
      await send.finish()
    })()
    const { reply, rest } = await within(readUntil(recv, wire.decodeReply), 'a reply')
    assert.equal(reply.ok, true)
    assert.ok((await within(readToEnd(recv, rest), 'the data')).equals(data), 'the data came back changed')
    await sending
    // A call of the largest size that there is, and beside it small ones.
    const large = randomBytes(1 << 20)
    const [one, ...small] = await Promise.all([
      call(connection, { protocol: 'Echo' }, large), ...Array.from({ length: 20 }, (_, i) => call(connection, echo, json({ message: `${i}` })))])
    assert.ok(one.body.equals(large))
    small.forEach(({ body }, i) => assert.equal(body.toString(), json({ echoed: `${i}` })))
  },

  async iroh_hears_errors() {
    const alice = await startAlice()
    const endpoint = await irohEndpoint()
    await alice.daemon.ok(['peer', 'add', 'alice', 'guest', wire.bytesToId52(endpoint.id().toBytes()), '--role', 'member'])
    const connection = await connect(endpoint, alice)
    const refused = async (open, request = '') => (await call(connection, open, request)).reply
    assert.equal((await refused({ protocol: 'Nothing' })).code, wire.codes.unknown_protocol)
    assert.equal((await refused({ protocol: 'Echo', alias: 'other' })).code, wire.codes.unknown_alias)
    assert.equal((await refused({ protocol: 'Echo', command: 'nothing' })).code, wire.codes.unknown_command)
    assert.deepEqual(await refused({ protocol: 'Echo', version: 9 }), { ok: false, code: wire.codes.unsupported_version, text: '1' })
    assert.equal((await refused({ protocol: '..' })).code, wire.codes.bad_request)
    const application = await refused(echo, 'not json')
    assert.ok(application.code >= 1000 && application.text.length > 0, json(application))
    // More than a call may have.
    const { send, recv } = await connection.openBi()
    await writeAll(send, Buffer.concat([wire.encodeOpen({ protocol: 'Echo' }), randomBytes((1 << 20) + 1)])).catch(() => {})
    const { reply } = await within(readUntil(recv, wire.decodeReply), 'a refusal')
    assert.equal(reply.code, wire.codes.too_large)
    assert.equal((await call(connection, echo, json({ message: 'still here' }))).reply.ok, true)
  },

  async iroh_stranger_is_closed_denied() {
    const alice = await startAlice('member')
    const connection = await connect(await irohEndpoint(), alice).catch((error) => error)
    const reason = connection instanceof Error ? connection.message : await within(connection.closed(), 'the close')
    assert.match(reason, new RegExp(`\\b${wire.codes.denied}\\b`), reason)
  },

  // Nobody with that key is there: refused alike, whether the id is unknown or offline.
  async iroh_asks_for_another_key() {
    const alice = await startAlice()
    const endpoint = await irohEndpoint()
    const other = iroh.SecretKey.generate().public().toBytes()
    await turnedDown(endpoint, other, alice.address)
    await alice.daemon.ok(['identity-offline', 'alice'])
    await turnedDown(endpoint, alice.id, alice.address)
    await alice.daemon.ok(['identity-online', 'alice'])
    assert.equal((await call(await connect(endpoint, alice), echo, json({ message: 'x' }))).reply.ok, true)
  },

  // A binding's own ALPN: streams without headers, for endpoints that know nothing of kith.
  async iroh_streams_on_the_bindings_own_alpn() {
    const alice = await startAlice()
    const file = join(alice.daemon.home, 'identities', 'alice.yaml')
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^( *)- protocol: Echo$/m, '$&\n$1  alpn: [echo/0]'))
    await alice.daemon.ok(['reload'])
    const endpoint = await irohEndpoint()
    const own = Array.from(Buffer.from('echo/0'))
    const data = randomBytes(1 << 20)
    for (let i = 0; i < 2; i++) {
      const connection = await within(endpoint.connect(irohAddress(alice.id, alice.address), own), 'a connection')
      const { send, recv } = await connection.openBi()
      const sending = (async () => {
        await writeAll(send, data)
        await send.finish()
      })()
      assert.ok((await readToEnd(recv)).equals(data))
      await sending
      connection.close(0n, [])
      await within(connection.closed(), 'the close')
    }
    assert.equal((await call(await connect(endpoint, alice), echo, json({ message: 'x' }))).reply.ok, true, 'kith/1 is served as before')
  },

  async iroh_with_another_alpn() {
    const alice = await startAlice()
    const endpoint = await irohEndpoint()
    await turnedDown(endpoint, alice.id, alice.address, Array.from(Buffer.from('kith/2')))
  },

  async control_streams() {
    const alice = await startAlice()
    const endpoint = await irohEndpoint()
    let connection = await connect(endpoint, alice)
    const ours = await connection.openUni()
    await ours.writeAll(Array.from(Buffer.concat([wire.control.type, wire.encodeHello(randomBytes(16)), wire.encodeFrame(99, randomBytes(9000))])))
    const theirs = await within(connection.acceptUni(), "alice's control stream")
    const frame = await within(readUntil(theirs, (got) => (got.length ? wire.decodeFrame(got.subarray(1)) : undefined)), 'HELLO')
    assert.equal(frame.type, wire.control.hello)
    assert.equal(new wire.Reader(frame.payload.subarray(16)).varint(), 1)
    assert.equal((await call(connection, echo, json({ message: 'x' }))).reply.ok, true)
    // A broken frame ends the connection, with its code.
    await ours.writeAll(Array.from(wire.encodeFrame(wire.control.goaway, Buffer.alloc(5000))))
    assert.match(await within(connection.closed(), 'the close'), new RegExp(`\\b${wire.codes.bad_request}\\b`))
    // After our GOAWAY a connection goes on with what it has.
    connection = await connect(endpoint, alice)
    const again = await connection.openUni()
    await again.writeAll(Array.from(Buffer.concat([wire.control.type, wire.encodeFrame(wire.control.goaway, Buffer.alloc(0))])))
    assert.equal((await call(connection, echo, json({ message: 'x' }))).reply.ok, true)
  },

  // The other way: kith's own programs call a peer that is an iroh endpoint.
  async kith_calls_iroh() {
    const { bob, peer } = await bobWhoKnows(await irohEndpoint([alpn]))
    const served = []
    peer.serve(async (header, send, recv, rest, connection) => {
      served.push({ header, connection: connection.stableId() })
      if (header.kind === 'stream') {
        await send.writeAll(Array.from(wire.encodeReply({})))
        await writeAll(send, rest)
        for (let more = await recv.read(65536); more.length; more = await recv.read(65536)) await send.writeAll(more)
      } else if (header.protocol === 'Nothing') {
        await send.writeAll(Array.from(wire.encodeReply({ code: wire.codes.unknown_protocol, text: 'nothing of that name' })))
      } else if (header.command === 'fail') {
        await send.writeAll(Array.from(wire.encodeReply({ code: 1001, text: 'as you wish' })))
      } else if (header.command === 'reset') {
        await send.writeAll(Array.from(wire.encodeReply({})))
        await send.reset(BigInt(wire.codes.busy))
        return
      } else {
        const request = await readToEnd(recv, rest)
        const body = header.type === 'json' ? Buffer.from(json({ echoed: JSON.parse(request).message })) : request
        await writeAll(send, Buffer.concat([wire.encodeReply({ type: header.type }), body]))
      }
      await send.finish()
    })
    for (const message of ['hi', 'hi again']) {
      assert.equal((await bob.ok(['call', 'bob', 'iro', 'Echo', json({ message })])).trim(), json({ echoed: message }))
    }
    assert.deepEqual({ ...served[0].header, deadline: undefined },
      { version: 1, kind: 'call', protocol: 'Echo', alias: 'default', command: '', type: 'json', deadline: undefined })
    assert.equal(served[0].connection, served[1].connection, 'one connection carries both calls')

    const data = randomBytes(4 << 20)
    const streamed = await bob.kith(['stream', 'bob', 'iro', 'Echo'], data)
    assert.equal(streamed.code, 0, streamed.err)
    assert.ok(streamed.out.equals(data), 'the data came back changed')

    const refused = await bob.kith(['call', 'bob', 'iro', 'Nothing', '{}'])
    assert.equal(refused.code, 100 + wire.codes.unknown_protocol, refused.err)
    const failed = await bob.kith(['call', 'bob', 'iro', 'Echo', '{}', '--command', 'fail'])
    assert.equal(failed.code, 1, failed.err)
    assert.match(failed.err, /as you wish/)
    const reset = await bob.kith(['call', 'bob', 'iro', 'Echo', '{}', '--command', 'reset'])
    assert.equal(reset.code, 100 + wire.codes.busy, reset.err)

    // The peer closes; the next call dials anew.
    peer.connections.forEach((connection) => connection.close(0n, []))
    await Promise.all(peer.connections.map((connection) => connection.closed()))
    assert.equal((await bob.ok(['call', 'bob', 'iro', 'Echo', json({ message: 'anew' })])).trim(), json({ echoed: 'anew' }))
    assert.equal(peer.connections.length, 2)
  },

  // A ticket as iroh prints it tells kith whom to call, and where.
  async kith_reads_irohs_ticket() {
    const endpoint = await irohEndpoint([alpn])
    const { bob, peer } = await bobWhoKnows(endpoint)
    peer.serve(async (header, send, recv, rest) => {
      await writeAll(send, Buffer.concat([wire.encodeReply({}), await readToEnd(recv, rest)]))
      await send.finish()
    })
    await bob.ok(['peer', 'remove', 'bob', 'iro'])
    const at = irohAddress(endpoint.id().toBytes(), endpoint.boundSockets().find((address) => address.startsWith('127.')))
    await bob.ok(['peer', 'add', 'bob', 'ticketed', iroh.EndpointTicket.fromAddr(at).toString()])
    assert.equal((await bob.ok(['call', 'bob', 'ticketed', 'Echo', '--bytes'], 'as it was')).trim(), 'as it was')
  },

  async kith_finds_another_key() {
    const endpoint = await irohEndpoint([alpn])
    const { bob, peer } = await bobWhoKnows(endpoint, iroh.SecretKey.generate().public().toBytes())
    peer.serve(() => {})
    const failed = await bob.kith(['call', 'bob', 'iro', 'Echo', '{}', '--timeout', '10s'])
    assert.equal(failed.code, 100 + wire.codes.wrong_key, failed.err)
  },

  async kith_finds_another_alpn() {
    const { bob, peer } = await bobWhoKnows(await irohEndpoint([Array.from(Buffer.from('other/1'))]))
    peer.serve(() => {})
    const failed = await bob.kith(['call', 'bob', 'iro', 'Echo', '{}', '--timeout', '10s'])
    assert.equal(failed.code, 100 + wire.codes.unsupported_version, failed.err)
  },
}

/// A daemon with bob, who knows the endpoint as `iro`; and what accepts its connections.
async function bobWhoKnows(endpoint, id = endpoint.id().toBytes()) {
  const bob = await startDaemon()
  await bob.ok(['create-identity', 'bob', '--online'])
  // As iroh prints it: 64 hex digits.
  await bob.ok(['peer', 'add', 'bob', 'iro', Buffer.from(id).toString('hex'), '--addr', endpoint.boundSockets().find((at) => at.startsWith('127.'))])
  const connections = []
  const stream = async (handler, connection, { send, recv }) => {
    const { header, rest } = await readUntil(recv, wire.decodeOpen)
    await handler(header, send, recv, rest, connection)
  }
  const serve = async (handler) => {
    for (;;) {
      const incoming = await endpoint.acceptNext()
      if (!incoming) return
      incoming.accept().then((accepting) => accepting.connect()).then(async (connection) => {
        connections.push(connection)
        for (;;) stream(handler, connection, await connection.acceptBi()).catch((error) => console.error('stream:', error.message))
      }).catch(() => {}) // the connection has ended
    }
  }
  return { bob, peer: { serve: (handler) => void serve(handler), connections } }
}

const name = process.argv[2]
let status = 0
try {
  await within(cases[name](), `the test ${name}`, 100_000)
} catch (error) {
  console.error(error)
  status = 1
}
await cleanUp()
process.exit(status)
