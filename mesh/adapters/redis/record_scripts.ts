/**
 * The scripts that read and write the records of a mesh.
 *
 * Records lie in one hash, those apart in another: a look at all records costs nothing for them.
 */
import { APART_PREFIX } from "../../ports/record_store.ts";
import { RedisScript } from "./redis_script.ts";
import { RUN_CHECK } from "./server_runs.ts";

/** Field of the revision, which no record's key can be. */
export const REVISION = "#revision";

/** Fields and values in turn, or the values of the fields that were asked for. */
type ReadReply =
  | [
    "OK",
    now: string,
    revision: string | null,
    records: (string | null)[],
    apart: (string | null)[],
  ]
  | ["RUN"];

/**
 * KEYS: runs, records, records apart. ARGV: run id, '1' for all records, number of fields of
 * records, these, and the fields of records apart. Returns the time, the revision and the records.
 * Under another run they may be others, of revisions that the reader knows to be durable.
 */
export const readScript = new RedisScript<ReadReply>(`
${RUN_CHECK}
local t = redis.call('TIME')
local now = string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000))
local revision = redis.call('HGET', KEYS[2], '${REVISION}')
local count = tonumber(ARGV[3])
local found = {}
if ARGV[2] == '1' then found = redis.call('HGETALL', KEYS[2])
elseif count > 0 then found = redis.call('HMGET', KEYS[2], unpack(ARGV, 4, count + 3)) end
local apart = {}
if #ARGV > count + 3 then apart = redis.call('HMGET', KEYS[3], unpack(ARGV, count + 4)) end
return {'OK', now, revision, found, apart}
`);

/**
 * KEYS: runs, records, changes, records apart. ARGV: run id, expected revision or '', revisions to
 * add, number of compared fields, then for each the field, '1' or '0' for its presence, and its
 * value; then the same for each written field. Returns the new revision, or DIFFERS where a
 * compared field does.
 *
 * Also on a server whose memory is full: the records are few, and hosts that cannot renew their
 * leases stand still, so that the logs would never be trimmed.
 */
export const writeScript = new RedisScript<["OK", string] | ["DIFFERS"] | ["RUN"]>(
  `#!lua flags=allow-oom
${RUN_CHECK}
local records, changes = KEYS[2], KEYS[3]
local function hashOf(field)
  if string.sub(field, 1, ${APART_PREFIX.length}) == '${APART_PREFIX}' then return KEYS[4] end
  return records
end
if ARGV[2] ~= '' and (redis.call('HGET', records, '${REVISION}') or '0') ~= ARGV[2] then
  return {'DIFFERS'}
end
local at = 5
for _ = 1, tonumber(ARGV[4]) do
  local found = redis.call('HGET', hashOf(ARGV[at]), ARGV[at])
  if ARGV[at + 1] == '1' then
    if found ~= ARGV[at + 2] then return {'DIFFERS'} end
  elseif found then
    return {'DIFFERS'}
  end
  at = at + 3
end
while at <= #ARGV do
  if ARGV[at + 1] == '1' then
    redis.call('HSET', hashOf(ARGV[at]), ARGV[at], ARGV[at + 2])
  else
    redis.call('HDEL', hashOf(ARGV[at]), ARGV[at])
  end
  at = at + 3
end
local steps = tonumber(ARGV[3])
if steps == 0 then return {'OK', redis.call('HGET', records, '${REVISION}') or '0'} end
local revision = string.format('%d', redis.call('HINCRBY', records, '${REVISION}', steps))
redis.call('XADD', changes, 'MAXLEN', 1, '0-' .. revision, 'r', '')
return {'OK', revision}
`,
);
