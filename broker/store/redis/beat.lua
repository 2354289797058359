-- SPDX-License-Identifier: Apache-2.0
-- One beat of a member: it is alive, it knows these others; and it sees how the others are and how new the broker's own
-- record is.
--
-- KEYS 1 beats 2 head of their bucket 3 the zero record 4 meta
-- ARGV 1 tenure 2 member 3 name 4 number of this process 5 '1' at its first beat 6 ids it has in its journal, one after the other
-- Reply: {DONE, revision, all fields}, {SUSPECT}, {TWIN} where another process has this member's id,
-- {MOVED} where the store was copied into a file: the sign of life is there, for who looks for one
local DONE, SUSPECT, TWIN, MOVED = 1, 3, 9, 10
local call, beats, me = redis.call, KEYS[1], ARGV[2]

if call('HGET', KEYS[2], 't') ~= ARGV[1] then
	return {SUSPECT}
end
local process = call('HGET', beats, 'b:' .. me)
if process and process ~= ARGV[4] and ARGV[5] ~= '1' then
	return {TWIN}
end
call('HSET', beats, 'b:' .. me, ARGV[4], 'n:' .. me, ARGV[3], 'k:' .. me, ARGV[6])
call('HINCRBY', beats, 'c:' .. me, 1)
call('HDEL', beats, 'f:' .. me) -- whom an admin gave up is back
if call('HGET', KEYS[4], 'state') == 'moved' then
	return {MOVED}
end
return {DONE, call('GETRANGE', KEYS[3], 0, 7), call('HGETALL', beats)}
