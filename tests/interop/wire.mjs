// SPDX-License-Identifier: Apache-2.0
// kith/1 in another language: written from docs/wire.md and nothing else.

export const codes = {
  bad_request: 1, unsupported_version: 2, unknown_protocol: 3, unknown_alias: 4, unknown_command: 5, wrong_key: 7, denied: 9, offline: 10, busy: 11,
  going_away: 12, unreachable: 13, too_large: 14, cancelled: 15, too_slow: 17,
}

// --- section 2: ids

const id52_digits = '0123456789abcdefghijklmnopqrstuv'

export function id52ToBytes(text) {
  if (!/^[0-9a-v]{51}[0g]$/.test(text)) throw new Error(`not an id: ${text}`)
  let bits = 0n
  for (const digit of text) bits = (bits << 5n) | BigInt(id52_digits.indexOf(digit))
  return Buffer.from((bits >> 4n).toString(16).padStart(64, '0'), 'hex')
}

export function bytesToId52(bytes) {
  let bits = BigInt('0x' + Buffer.from(bytes).toString('hex')) << 4n
  let text = ''
  for (let i = 0; i < 52; i++, bits >>= 5n) text = id52_digits[Number(bits & 31n)] + text
  return text
}

// --- section 3: varints, headers

export function varint(value) {
  const n = BigInt(value)
  const size = n < 64n ? 0 : n < 16384n ? 1 : n < 1n << 30n ? 2 : 3
  const out = Buffer.alloc(1 << size)
  let rest = n
  for (let i = out.length - 1; i >= 0; i--, rest >>= 8n) out[i] = Number(rest & 255n)
  out[0] |= size << 6
  return out
}

/// Reads from the front of a buffer; `undefined` when octets are missing.
export class Reader {
  constructor(buffer) {
    this.buffer = buffer
    this.at = 0
  }
  u8() {
    return this.at < this.buffer.length ? this.buffer[this.at++] : undefined
  }
  varint() {
    if (this.at >= this.buffer.length) return undefined
    const size = 1 << (this.buffer[this.at] >> 6)
    if (this.at + size > this.buffer.length) return undefined
    let value = BigInt(this.buffer[this.at] & 63)
    for (let i = 1; i < size; i++) value = (value << 8n) | BigInt(this.buffer[this.at + i])
    this.at += size
    return Number(value)
  }
  bytes() {
    const before = this.at
    const size = this.varint()
    if (size === undefined || this.at + size > this.buffer.length) {
      this.at = before
      return undefined
    }
    this.at += size
    return this.buffer.subarray(this.at - size, this.at)
  }
  str() {
    return this.bytes()?.toString('utf8')
  }
  rest() {
    return this.buffer.subarray(this.at)
  }
}

const bytes = (value) => Buffer.concat([varint(Buffer.from(value).length), Buffer.from(value)])

function meta(entries) {
  return Buffer.concat([varint(entries.length), ...entries.map(([key, value]) => Buffer.concat([varint(key), bytes(value)]))])
}

function readMeta(reader) {
  const entries = new Map()
  const count = reader.varint()
  if (count === undefined) return undefined
  for (let i = 0; i < count; i++) {
    const key = reader.varint()
    const value = key === undefined ? undefined : reader.bytes()
    if (value === undefined) return undefined
    entries.set(key, value)
  }
  return entries
}

const content_type = 4
const kinds = ['call', 'stream']

export function encodeOpen({ version = 1, kind = 'call', protocol, alias = 'default', command = '', type = '', deadline }) {
  const entries = []
  if (deadline !== undefined) entries.push([2, varint(deadline)])
  if (type) entries.push([content_type, Buffer.from(type)])
  const body = Buffer.concat([Buffer.from([version, kinds.indexOf(kind)]), bytes(protocol), bytes(alias), bytes(command), meta(entries)])
  return Buffer.concat([varint(body.length), body])
}

/// {header, rest}, or nothing while octets are missing.
export function decodeOpen(buffer) {
  const outer = new Reader(buffer)
  const body = outer.bytes()
  if (body === undefined) return undefined
  const reader = new Reader(body)
  const header = { version: reader.u8(), kind: kinds[reader.u8()], protocol: reader.str(), alias: reader.str(), command: reader.str() }
  const entries = readMeta(reader)
  if (entries === undefined || reader.at !== body.length) throw new Error('a broken open header')
  header.type = entries.get(content_type)?.toString('utf8') ?? ''
  if (entries.has(2)) header.deadline = new Reader(entries.get(2)).varint()
  return { header, rest: outer.rest() }
}

export function encodeReply({ type = '', code, text = '' }) {
  if (code !== undefined) return Buffer.concat([Buffer.from([1]), varint(code), bytes(text)])
  return Buffer.concat([Buffer.from([0]), meta(type ? [[content_type, Buffer.from(type)]] : [])])
}

/// {reply, rest}, or nothing while octets are missing.
export function decodeReply(buffer) {
  const reader = new Reader(buffer)
  const kind = reader.u8()
  if (kind === 1) {
    const code = reader.varint()
    const text = code === undefined ? undefined : reader.str()
    return text === undefined ? undefined : { reply: { ok: false, code, text }, rest: reader.rest() }
  }
  if (kind !== 0) return undefined
  const entries = readMeta(reader)
  return entries === undefined ? undefined : { reply: { ok: true, type: entries.get(content_type)?.toString('utf8') ?? '' }, rest: reader.rest() }
}

// --- section 4: the control stream

export const control = { type: varint(0), hello: 1, goaway: 2, error: 3 }

export function encodeFrame(type, payload) {
  return Buffer.concat([varint(type), bytes(payload)])
}

export function encodeHello(boot_id) {
  return encodeFrame(control.hello, Buffer.concat([boot_id, varint(1), meta([])]))
}

/// {type, payload, rest}, or nothing while octets are missing.
export function decodeFrame(buffer) {
  const reader = new Reader(buffer)
  const type = reader.varint()
  const payload = type === undefined ? undefined : reader.bytes()
  return payload === undefined ? undefined : { type, payload, rest: reader.rest() }
}
