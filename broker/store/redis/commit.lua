-- SPDX-License-Identifier: Apache-2.0
-- One commit of one record, whole or not at all: everything is checked before the first write, since Redis takes
-- nothing back. It may be asked again with the same commit id. README.md says what the keys hold.
--
-- KEYS 1 head 2 record 3 log segment 4 segments; then those that the arguments call for, in this order: cold, set of
-- claims, poison of this commit id, payments
-- ARGV 1 tenure 2 field of the member's count 3 segment 4 bucket 5 no event's time before this 6 commit id 7 expected:
-- nothing, or revision, or revision and commit id 8 revision after 9 tail of the hot value 10 cold value or nothing
-- 11, 12, 13 numbers of claims taken, claims released, payments 14 count at least, or nothing 15 sequence numbers or
-- nothing 16 number of events 17 count that the member has an answer of 18 how many of the claims taken, the first, the
-- record must not hold yet; then events, claims taken, claims released, payments
local DONE, CONFLICT, SUSPECT, SEGMENT, STRANGER, CLAIM, POISONED, CORRUPT = 1, 2, 3, 4, 5, 6, 7, 8
local SEGMENT_EVENTS, EPOCH_S, UNIT_US, BUCKETS, HEADER = 4096, 1735689600, 128, 1024, 40
local FIXED = 18

local call, head, record = redis.call, KEYS[1], KEYS[2]
local h = call('HMGET', head, 't', 'l', 'g', 'c', ARGV[2])
-- The head is data and may have come back with them; what the server says of itself is not. So no write, and no count, is
-- ever made under a tenure that is over (README.md, "Repair").
local history = string.match(ARGV[1], ':(%x+)$')
if h[1] ~= ARGV[1] or (history and not string.find(call('INFO', 'replication'), 'master_replid:' .. history, 1, true)) then
	return {SUSPECT}
elseif not h[5] then
	return {STRANGER}
elseif tonumber(h[5]) < tonumber(ARGV[17]) then
	-- Older data under the same tenure: a count given now would hide what is missing.
	return {SUSPECT}
end

local id, expected = ARGV[6], ARGV[7]
local before = call('GETRANGE', record, 0, HEADER - 1)
local revision = string.sub(before, 1, 8)
if before ~= '' and #before < HEADER then
	return {CORRUPT}
elseif string.sub(before, 9, 16) == id then
	return {DONE, struct.unpack('>I8', before, 25), struct.unpack('>I8', before, 17)}
elseif string.sub(before, 1, #expected) ~= expected or (expected == '') ~= (before == '') then
	return {CONFLICT, revision}
end

local in_segment = tonumber(h[4])
local segment, fresh = h[3], not h[3] or in_segment >= SEGMENT_EVENTS
if fresh then
	segment, in_segment = string.format('%.0f', tonumber(h[3] or 0) + 1), 0
end
if segment ~= ARGV[3] then
	return {SEGMENT, tonumber(segment)}
end

local takes, releases, payments, events = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[16])
local cold, key = ARGV[10], 4
local cold_key, claims_key
if cold ~= '' then
	key = key + 1
	cold_key = KEYS[key]
end
if takes + releases > 0 then
	key = key + 1
	claims_key = KEYS[key]
	for i = FIXED + events + takes + 1, FIXED + events + takes + releases do
		if call('SISMEMBER', claims_key, ARGV[i]) == 0 then
			return {CLAIM}
		end
	end
	for i = FIXED + events + 1, FIXED + events + tonumber(ARGV[18]) do
		if call('SISMEMBER', claims_key, ARGV[i]) == 1 then
			return {CLAIM}
		end
	end
end
if takes > 0 then
	key = key + 1
	if call('EXISTS', KEYS[key]) == 1 then
		return {POISONED}
	end
end

-- From here on nothing is refused.
local last, given = math.floor(tonumber(h[2] or 0) / BUCKETS), ARGV[15]
local now = call('TIME')
local at = math.max(math.floor(((now[1] - EPOCH_S) * 1000000 + now[2]) / UNIT_US), tonumber(ARGV[5]), last + 1)
local back = before ~= '' and string.sub(before, 17, 24) or '\0\0\0\0\0\0\0\0'
local first, seq
for i = 1, events do
	if given ~= '' then
		seq = struct.unpack('>I8', given, i * 8 - 7)
	else
		seq = (at + i - 1) * BUCKETS + ARGV[4]
	end
	first = first or seq
	call('XADD', KEYS[3], seq, 'e', back .. ARGV[FIXED + i])
	back = struct.pack('>I8', seq)
end

local n = tonumber(h[5]) + 1
if ARGV[14] ~= '' then
	n = math.max(n - 1, tonumber(ARGV[14]))
end
local cold_revision = before ~= '' and string.sub(before, 33, 40) or '\0\0\0\0\0\0\0\0'
if cold_key then
	call('SET', cold_key, cold)
	cold_revision = ARGV[8]
end
call('SET', record, ARGV[8] .. id .. back .. struct.pack('>I8', n) .. cold_revision .. ARGV[9])
local from = FIXED + events
if takes > 0 then
	call('SADD', claims_key, unpack(ARGV, from + 1, from + takes))
end
if releases > 0 then
	call('SREM', claims_key, unpack(ARGV, from + takes + 1, from + takes + releases))
end
from = from + takes + releases
for i = 1, payments do
	call('SET', KEYS[key + i], ARGV[from + i])
end
local newest = math.max(seq, tonumber(h[2] or 0))
if fresh then
	call('ZADD', KEYS[4], first, segment)
	call('HSET', head, 'l', newest, 'c', events, ARGV[2], n, 'g', segment)
else
	call('HSET', head, 'l', newest, 'c', in_segment + events, ARGV[2], n)
end
return {DONE, n, seq}
