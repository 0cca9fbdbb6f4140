/**
 * The atomic steps of profiles in Redis.
 *
 * Keys, all with the mesh's hash tag:
 *
 *     …:profiles:item, …:profiles:user   hash: id → `version updatedAtMs JSON`
 *     …:profiles:number                  number of the newest change
 *     …:profiles:changes                 stream: change n has the id `n-0`; kind, id, writer, count
 *
 * Changes are numbered without gaps, so a process that follows the stream sees whether it has
 * missed any.
 */
import type { Profile } from "../../ports/profile_store.ts";
import { RedisScript } from "./redis_script.ts";
import { RUN_CHECK } from "./server_runs.ts";

/** Changes that the stream keeps at least. */
export const CHANGES_RETAINED = 65_536;

/**
 * KEYS: runs, profiles, number, changes. ARGV: run id, id, JSON, kind, writer, changes to keep, and
 * the beginning that the stored value must have (`version updatedAtMs `), or ''. A value with
 * another beginning is returned, with the number of the newest change.
 */
export const putScript = new RedisScript<
  | ["OK", version: number, updatedAtMs: string, number: number, count: number]
  | ["RUN"]
  | ["OTHER", number: number, text: string | null]
>(`#!lua
${RUN_CHECK}
local old = redis.call('HGET', KEYS[2], ARGV[2])
if ARGV[7] ~= '' and (not old or string.sub(old, 1, #ARGV[7]) ~= ARGV[7]) then
  return {'OTHER', tonumber(redis.call('GET', KEYS[3]) or '0'), old}
end
local version = 1
if old then version = tonumber(string.match(old, '^%d+')) + 1 end
local t = redis.call('TIME')
local at = string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000))
redis.call('HSET', KEYS[2], ARGV[2], version .. ' ' .. at .. ' ' .. ARGV[3])
local number = redis.call('INCR', KEYS[3])
local count = redis.call('HLEN', KEYS[2])
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[6], string.format('%d-0', number),
  'k', ARGV[4], 'i', ARGV[2], 'w', ARGV[5], 'c', count)
return {'OK', version, at, number, count}
`);

/**
 * KEYS: runs, profiles, number, changes. ARGV: run id, id, kind, writer, changes to keep. `existed`
 * is 1 where there was a profile. Also on a server whose memory is full.
 */
export const deleteScript = new RedisScript<
  ["OK", existed: number, number: number, count: number] | ["RUN"]
>(`#!lua flags=allow-oom
${RUN_CHECK}
if redis.call('HDEL', KEYS[2], ARGV[2]) == 0 then
  return {'OK', 0, tonumber(redis.call('GET', KEYS[3]) or '0'), redis.call('HLEN', KEYS[2])}
end
local number = redis.call('INCR', KEYS[3])
local count = redis.call('HLEN', KEYS[2])
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[5], string.format('%d-0', number),
  'k', ARGV[3], 'i', ARGV[2], 'w', ARGV[4], 'c', count)
return {'OK', 1, number, count}
`);

/**
 * KEYS: runs, profiles of items, number, changes. ARGV: run id, writer. Removes all changes, whose
 * ids may be those of erased users, and adds one of no profile: a process that follows the stream
 * and has not read a removed change finds a gap. Also on a server whose memory is full.
 */
export const dropChangesScript = new RedisScript<["OK"] | ["RUN"]>(`#!lua flags=allow-oom
${RUN_CHECK}
redis.call('XTRIM', KEYS[4], 'MAXLEN', 0)
local number = redis.call('INCR', KEYS[3])
redis.call('XADD', KEYS[4], string.format('%d-0', number),
  'k', 'item', 'i', '', 'w', ARGV[2], 'c', redis.call('HLEN', KEYS[2]))
return {'OK'}
`);

/** KEYS: profiles, number. ARGV: ids. Returns the number of the newest change and the values. */
export const readScript = new RedisScript<[number: string, values: (string | null)[]]>(`
return {redis.call('GET', KEYS[2]) or '0', redis.call('HMGET', KEYS[1], unpack(ARGV))}
`);

/** A stored profile: `version updatedAtMs JSON`. */
export function parseProfile(id: string, text: string): Profile {
  const first = text.indexOf(" ");
  const second = text.indexOf(" ", first + 1);
  return {
    id,
    attributes: JSON.parse(text.slice(second + 1)),
    updatedAtMs: Number(text.slice(first + 1, second)),
    version: Number(text.slice(0, first)),
  };
}
