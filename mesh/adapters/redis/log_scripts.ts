/**
 * The atomic steps of a log in Redis.
 *
 * Keys of the log `events` of a mesh, all with the mesh's hash tag:
 *
 *     …:log:events           hash: next:p, total:p, freed:p, floor:p, epoch:p, accepted:p, bytes,
 *                            partitions, first (partitions before it are sealed), format
 *     …:log:events:p         stream of partition p
 *     …:log:events:offsets   hash: `p consumer` → committed offset
 *     …:log:events:writer:w  hash: p → `sequence offset` of the last append of writer w
 *     …:log:events:once:id   `content time token` of the record that was appended under an id
 *     …:log:events:urgent    stream of one entry, a new one with each append that has to be durable
 *
 * The id of the record with offset n is `n+1 - b`, where b is the number of bytes of the records
 * before it in the partition. So ids ascend, offsets are dense, and a trim knows how many bytes it
 * frees.
 */
import { ACCEPTANCE_STEP_MS, type LogExtent } from "../../ports/event_log.ts";
import { RUN_CHECK } from "./server_runs.ts";
import { RedisScript } from "./redis_script.ts";

/** Time after which the server forgets a writer that has ended, s. */
const WRITER_TTL_S = 24 * 3_600;

/**
 * Lua that refuses records for a sealed partition `p`; `m` begins with `first` and `partitions` of
 * the log. A batch that was appended before, and is sent again, is answered first.
 */
const SEAL_CHECK = `
if tonumber(p) < tonumber(m[1] or '0') then return {'SEALED', m[1], m[2]} end
`;

/** Lua that tells readers of an append for which they should not wait; `urgent` is the stream. */
const TELL_URGENT = `redis.call('XADD', urgent, 'MAXLEN', 1, '*', 'u', '')`;

/** Outcomes of an append. */
export type AppendReply =
  /** Appended, now or by an earlier sending of the same sequence. */
  | ["OK", first: string, bytes: string]
  /** A later append of the same writer is there, so this one was appended before. */
  | ["EARLIER", newest: string]
  /** Another run of the server is current. */
  | ["RUN"]
  | ["STALE", epoch: string]
  | ["OFFSET", endOffset: string]
  | SealedReply
  /** The server has another value under the key of an attached one. */
  | ["TAKEN", key: string]
  | ["FULL", bytes: string];

/** The partition is sealed; the extent of the log. */
export type SealedReply = ["SEALED", first: string, partitions: string];

/** The refusals of appends to which the log gives their acceptance times. */
type TimedRefusal = ["RUN"] | ["STALE", epoch: string] | SealedReply | ["FULL", bytes: string];

/**
 * KEYS: runs, log, stream, writer, urgent. ARGV: run id, partition, sequence of this writer, limit
 * of bytes, epoch or 0, expected offset or '', '1' where it is urgent, number of attached values,
 * key, time to keep it in ms, bytes and the end of a value that may be replaced, of each attached
 * value, records.
 *
 * The script refuses as a whole on a server whose memory is full: its default flags deny it then.
 */
export const appendScript = new RedisScript<AppendReply>(`#!lua
${RUN_CHECK}
local log, stream, writer, urgent, p = KEYS[2], KEYS[3], KEYS[4], KEYS[5], ARGV[2]
local sequence = tonumber(ARGV[3])
local m = redis.call('HMGET', log, 'first', 'partitions', 'next:' .. p, 'total:' .. p,
  'epoch:' .. p, 'bytes')
local first, total = tonumber(m[3] or '0'), tonumber(m[4] or '0')
local epoch, held = m[5] or '0', tonumber(m[6] or '0')
local last = redis.call('HGET', writer, p)
if last then
  local s, offset = string.match(last, '^(%d+) (%d+)$')
  if tonumber(s) == sequence then return {'OK', offset, string.format('%d', held)} end
  if tonumber(s) > sequence then return {'EARLIER', s} end
end
${SEAL_CHECK}
if epoch ~= ARGV[5] then return {'STALE', epoch} end
if ARGV[6] ~= '' and tonumber(ARGV[6]) ~= first then return {'OFFSET', string.format('%d', first)} end
local bytes, begin = 0, 9 + 4 * tonumber(ARGV[8])
for i = begin, #ARGV do bytes = bytes + #ARGV[i] end
if held + bytes > tonumber(ARGV[4]) then return {'FULL', string.format('%d', held)} end
for i = 9, begin - 1, 4 do
  local value, replaced = redis.call('GET', ARGV[i]), ARGV[i + 3]
  if value and string.sub(value, #value - #replaced + 1) ~= replaced then
    return {'TAKEN', ARGV[i]}
  end
end
for i = 9, begin - 1, 4 do redis.call('SET', ARGV[i], ARGV[i + 2], 'PX', ARGV[i + 1]) end
local next = first
for i = begin, #ARGV do
  redis.call('XADD', stream, string.format('%d-%d', next + 1, total), 'r', ARGV[i])
  next = next + 1
  total = total + #ARGV[i]
end
held = held + bytes
redis.call('HSET', log, 'next:' .. p, string.format('%d', next), 'total:' .. p,
  string.format('%d', total), 'bytes', string.format('%d', held))
redis.call('HSET', writer, p, string.format('%d %d', sequence, first))
if redis.call('TTL', writer) < ${WRITER_TTL_S / 2} then
  redis.call('EXPIRE', writer, ${WRITER_TTL_S})
end
if ARGV[7] == '1' then ${TELL_URGENT} end
return {'OK', string.format('%d', first), string.format('%d', held)}
`);

/**
 * Appends records whose ids are new, and those without an id, where the server has the keys that
 * they need.
 *
 * KEYS: runs, log, stream, urgent, needed keys. ARGV: run id, partition, limit of bytes, time to
 * keep ids in ms, prefix of their keys, end of a needed key's value that counts as none, and for
 * each record its id or '', its acceptance time, the digest of its content, its token, '1' where
 * its bytes end with the time, the record before it or '', and its bytes.
 *
 * A new record that ends with a time not above `accepted:p` gets the next time. Returns for each
 * record the value under its id, `content time token`; the token tells whether it was stored now.
 */
export const appendOnceScript = new RedisScript<
  | ["OK", bytes: string, endOffset: string, values: string[]]
  | ["MISSING", key: string]
  | TimedRefusal
>(`#!lua
${RUN_CHECK}
local log, stream, urgent, p, prefix = KEYS[2], KEYS[3], KEYS[4], ARGV[2], ARGV[5]
local m = redis.call('HMGET', log, 'first', 'partitions', 'next:' .. p, 'total:' .. p,
  'epoch:' .. p, 'bytes', 'accepted:' .. p)
${SEAL_CHECK}
local next, total = tonumber(m[3] or '0'), tonumber(m[4] or '0')
local held, newest = tonumber(m[6] or '0'), tonumber(m[7] or '-1')
if (m[5] or '0') ~= '0' then return {'STALE', m[5]} end
for i = 5, #KEYS do
  local last = redis.call('GETRANGE', KEYS[i], -#ARGV[6], -1)
  if last == '' or last == ARGV[6] then return {'MISSING', KEYS[i]} end
end
local bytes = 0
for i = 12, #ARGV, 7 do bytes = bytes + #ARGV[i] + #ARGV[i + 1] end
if held + bytes > tonumber(ARGV[3]) then return {'FULL', string.format('%d', held)} end
local values = {}
bytes = 0
local function add(record)
  redis.call('XADD', stream, string.format('%d-%d', next + 1, total), 'r', record)
  next = next + 1
  total = total + #record
  bytes = bytes + #record
end
for i = 7, #ARGV, 7 do
  local key = prefix .. ARGV[i]
  local value = ARGV[i] ~= '' and redis.call('GET', key)
  if not value then
    local at, record = tonumber(ARGV[i + 1]), ARGV[i + 6]
    if ARGV[i + 4] == '1' then
      if at <= newest then at = newest + ${ACCEPTANCE_STEP_MS} end
      newest = at
      record = string.sub(record, 1, -9) .. struct.pack('>d', at)
    end
    value = ARGV[i + 2] .. ' ' .. string.format('%.17g', at) .. ' ' .. ARGV[i + 3]
    if ARGV[i] ~= '' then redis.call('SET', key, value, 'PX', ARGV[4]) end
    if ARGV[i + 5] ~= '' then add(ARGV[i + 5]) end
    add(record)
  end
  table.insert(values, value)
end
redis.call('HSET', log, 'next:' .. p, string.format('%d', next), 'total:' .. p,
  string.format('%d', total), 'accepted:' .. p, string.format('%.17g', newest))
held = redis.call('HINCRBY', log, 'bytes', bytes)
if bytes > 0 then ${TELL_URGENT} end
return {'OK', string.format('%d', held), string.format('%d', next), values}
`);

/**
 * Appends a record to the partitions that have none after their times.
 *
 * KEYS: runs, log, urgent, stream of each partition. ARGV: run id, limit of bytes, acceptance time
 * of the record, its bytes, which end with that time, and for each partition its number and its
 * time. Returns the newest acceptance time and the end of each partition.
 */
export const markScript = new RedisScript<
  | ["OK", bytes: string, newest: string[], endOffsets: string[]]
  | TimedRefusal
>(`#!lua
${RUN_CHECK}
local log, urgent, record = KEYS[2], KEYS[3], ARGV[4]
local m = redis.call('HMGET', log, 'first', 'partitions', 'bytes')
local newest, ends, due = {}, {}, {}
for i = 5, #ARGV, 2 do
  local p = ARGV[i]
  ${SEAL_CHECK}
  local of = redis.call('HMGET', log, 'epoch:' .. p, 'accepted:' .. p, 'next:' .. p)
  if (of[1] or '0') ~= '0' then return {'STALE', of[1]} end
  table.insert(newest, of[2] or '-1')
  table.insert(ends, of[3] or '0')
  if tonumber(newest[#newest]) <= tonumber(ARGV[i + 1]) then table.insert(due, #newest) end
end
local held = tonumber(m[3] or '0')
if #due == 0 then return {'OK', string.format('%d', held), newest, ends} end
held = held + #due * #record
if held > tonumber(ARGV[2]) then return {'FULL', string.format('%d', held - #due * #record)} end
for _, n in ipairs(due) do
  local p, at = ARGV[3 + 2 * n], tonumber(ARGV[3])
  local before = tonumber(newest[n])
  if at <= before then at = before + ${ACCEPTANCE_STEP_MS} end
  newest[n] = string.format('%.17g', at)
  ends[n] = string.format('%d', tonumber(ends[n]) + 1)
  local total = tonumber(redis.call('HGET', log, 'total:' .. p) or '0')
  redis.call('XADD', KEYS[3 + n], ends[n] .. '-' .. string.format('%d', total), 'r',
    string.sub(record, 1, -9) .. struct.pack('>d', at))
  redis.call('HSET', log, 'next:' .. p, ends[n], 'total:' .. p,
    string.format('%d', total + #record), 'accepted:' .. p, newest[n])
end
redis.call('HSET', log, 'bytes', string.format('%d', held))
${TELL_URGENT}
return {'OK', string.format('%d', held), newest, ends}
`);

/**
 * KEYS: log. ARGV: number of partitions and format of a new log. Returns the format and the extent
 * of the log. Also on a server whose memory is full, which a process that starts may trim.
 */
export const openScript = new RedisScript<[format: string, first: string, partitions: string]>(
  `#!lua flags=allow-oom
if redis.call('HSETNX', KEYS[1], 'partitions', ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], 'format', ARGV[2])
end
local m = redis.call('HMGET', KEYS[1], 'format', 'first', 'partitions')
return {m[1] or '0', m[2] or '0', m[3]}
`,
);

/**
 * KEYS: runs, log, urgent. ARGV: run id, first partition that takes records, number of partitions,
 * name of the log, whose new partitions have their ends noted from then on.
 * Acceptance times of the new partitions ascend above those of all partitions, also of new ones
 * that took records before a fail-over lost the seal. Returns the extent of the log, which never
 * shrinks.
 */
export const extendScript = new RedisScript<["OK", first: string, partitions: string] | ["RUN"]>(
  `#!lua flags=allow-oom
${RUN_CHECK}
local log, urgent = KEYS[2], KEYS[3]
local extent = redis.call('HMGET', log, 'first', 'partitions')
local before, count = tonumber(extent[1] or '0'), tonumber(extent[2])
local first, partitions = math.max(before, tonumber(ARGV[2])), math.max(count, tonumber(ARGV[3]))
redis.call('HSET', KEYS[1], 'log:' .. ARGV[4], string.format('%d', partitions))
if first == before and partitions == count then
  return {'OK', string.format('%d', first), string.format('%d', partitions)}
end
local newest = -1
for p = 0, partitions - 1 do
  newest = math.max(newest, tonumber(redis.call('HGET', log, 'accepted:' .. p) or '-1'))
end
if newest >= 0 then
  for p = count, partitions - 1 do
    redis.call('HSET', log, 'accepted:' .. p, string.format('%.17g', newest))
  end
end
redis.call('HSET', log, 'first', string.format('%d', first), 'partitions',
  string.format('%d', partitions))
${TELL_URGENT}
return {'OK', string.format('%d', first), string.format('%d', partitions)}
`,
);

/**
 * KEYS: runs, log. ARGV: run id, partition, epoch. Returns the end of the partition. Also on a
 * server whose memory is full: the joiner claims its partitions before it trims anything.
 */
export const claimScript = new RedisScript<["OK" | "STALE", string] | ["RUN"]>(
  `#!lua flags=allow-oom
${RUN_CHECK}
local field = 'epoch:' .. ARGV[2]
local epoch = tonumber(redis.call('HGET', KEYS[2], field) or '0')
if epoch > tonumber(ARGV[3]) then return {'STALE', string.format('%d', epoch)} end
redis.call('HSET', KEYS[2], field, ARGV[3])
return {'OK', redis.call('HGET', KEYS[2], 'next:' .. ARGV[2]) or '0'}
`,
);

/**
 * KEYS: runs, log, stream. ARGV: run id, partition, offset. Also on a server whose memory is full:
 * trimming is how it gets room. Returns the bytes that the log holds then.
 */
export const trimScript = new RedisScript<["OK", bytes: string] | ["RUN"]>(`#!lua flags=allow-oom
${RUN_CHECK}
local log, stream, p = KEYS[2], KEYS[3], ARGV[2]
local m = redis.call('HMGET', log, 'next:' .. p, 'total:' .. p, 'freed:' .. p, 'floor:' .. p)
local next, total = tonumber(m[1] or '0'), tonumber(m[2] or '0')
local freed, floor = tonumber(m[3] or '0'), tonumber(m[4] or '0')
local offset = math.min(tonumber(ARGV[3]), next)
if offset <= floor then return {'OK', redis.call('HGET', log, 'bytes') or '0'} end
local id = string.format('%d-0', offset + 1)
local kept = redis.call('XRANGE', stream, id, '+', 'COUNT', 1)
local before = total
if #kept > 0 then before = tonumber(string.match(kept[1][1], '-(%d+)$')) end
redis.call('XTRIM', stream, 'MINID', '=', id)
redis.call('HSET', log, 'freed:' .. p, string.format('%d', before), 'floor:' .. p, string.format('%d', offset))
return {'OK', string.format('%d', redis.call('HINCRBY', log, 'bytes', freed - before))}
`);

/**
 * Bytes of the entry that separates records from later ones: a node of a stream has at most 4096
 * (stream-node-max-bytes), so the entry has a node of its own, and the next record begins another.
 */
const SEPARATOR_BYTES = 16_384;

/**
 * KEYS: runs, log, stream. ARGV: run id, partition. A trim inside of a node only marks the records
 * as deleted: their bytes stay as long as the node does. So this adds an entry that is no record,
 * with an id between the records so far and the next one; a trim of these records removes it too.
 */
export const rollScript = new RedisScript<["OK"] | ["RUN"]>(`#!lua
${RUN_CHECK}
local next = redis.call('HGET', KEYS[2], 'next:' .. ARGV[2]) or '0'
if redis.call('XLEN', KEYS[3]) == 0 then return {'OK'} end
-- The id is taken where nothing was appended since the last separation.
redis.pcall('XADD', KEYS[3], next .. '-18446744073709551615', 's', string.rep(' ', ${SEPARATOR_BYTES}))
return {'OK'}
`);

/** KEYS: runs, offsets. ARGV: run id, field, offset. */
export const commitScript = new RedisScript<["OK"] | ["RUN"]>(`#!lua flags=allow-oom
${RUN_CHECK}
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return {'OK'}
`);

/** The extent of a log, of which a script has told. */
export function extentOf(
  [, first, partitions]: readonly [reply: string, first: string, partitions: string],
): LogExtent {
  return { firstPartition: Number(first), partitions: Number(partitions) };
}

/** The id of the record with this offset, or of the one before it where `b` is left out. */
export function idOf(offset: number): string {
  return `${offset + 1}-0`;
}

/** An id after every id of the records before `offset`, and before that of `offset` itself. */
export function idBefore(offset: number): string {
  return `${offset}-18446744073709551615`;
}

/** The offset of a record by its id. */
export function offsetOf(id: string): number {
  return Number(id.slice(0, id.indexOf("-"))) - 1;
}
