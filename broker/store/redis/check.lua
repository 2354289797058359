-- SPDX-License-Identifier: Apache-2.0
-- Whether a record is still as somebody supposes, who remembered it and answers from that.
--
-- KEYS 1 head 2 record
-- ARGV 1 tenure 2 expected: nothing, or revision, or revision and commit id; and where the member takes what it answers from
-- into its journal: 3 field of its count 4 count that it has an answer of
-- Gives {DONE}, {DONE, n} where it counts, {CONFLICT}
local DONE, CONFLICT, SUSPECT, STRANGER = 1, 2, 3, 5

local h = redis.call('HMGET', KEYS[1], 't', ARGV[3] or 't')
if h[1] ~= ARGV[1] then
	return {SUSPECT}
end
local expected = ARGV[2]
if redis.call('GETRANGE', KEYS[2], 0, math.max(#expected, 1) - 1) ~= expected then
	return {CONFLICT}
elseif not ARGV[3] then
	return {DONE}
end
-- As in commit.lua: what is counted is never written under a tenure that is over, nor upon older data.
local history = string.match(ARGV[1], ':(%x+)$')
if history and not string.find(redis.call('INFO', 'replication'), 'master_replid:' .. history, 1, true) then
	return {SUSPECT}
elseif not h[2] then
	return {STRANGER}
elseif tonumber(h[2]) < tonumber(ARGV[4]) then
	return {SUSPECT}
end
return {DONE, redis.call('HINCRBY', KEYS[1], ARGV[3], 1)}
