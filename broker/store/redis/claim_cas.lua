-- SPDX-License-Identifier: Apache-2.0
-- Compare and set of a claim: it becomes the new value where it still is what the caller saw. Asked again it says DONE
-- again. No value comes twice (claim_code.h: the version), so a late copy of this message changes nothing.
--
-- KEYS 1 head 2 claim
-- ARGV 1 tenure 2 field of the member's count 3 value that was seen, or nothing 4 new value
-- 5 count that the member has an answer of
-- Gives {DONE, n} or {CONFLICT, value or nothing}
local DONE, CONFLICT, SUSPECT, STRANGER = 1, 2, 3, 5

local h = redis.call('HMGET', KEYS[1], 't', ARGV[2])
local history = string.match(ARGV[1], ':(%x+)$')
-- As in commit.lua: what is counted is never written under a tenure that is over.
if h[1] ~= ARGV[1] or (history and not string.find(redis.call('INFO', 'replication'), 'master_replid:' .. history, 1, true)) then
	return {SUSPECT}
elseif not h[2] then
	return {STRANGER}
elseif tonumber(h[2]) < tonumber(ARGV[5]) then
	-- Older data under the same tenure, as in commit.lua.
	return {SUSPECT}
end
local now = redis.call('GET', KEYS[2]) or ''
if now == ARGV[3] then
	redis.call('SET', KEYS[2], ARGV[4])
elseif now ~= ARGV[4] then
	return {CONFLICT, now}
end
-- Counted also when it was there already: what is acknowledged stands below a count, and under a fence.
return {DONE, redis.call('HINCRBY', KEYS[1], ARGV[2], 1)}
