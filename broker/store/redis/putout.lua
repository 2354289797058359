-- SPDX-License-Identifier: Apache-2.0
-- A member is put out: its count becomes a mark. It cannot write here before it has proved itself anew, so whoever has
-- the mark has all that this member ever acknowledged here, and need not wait for it.
--
-- KEYS 1 head
-- ARGV 1 tenure 2 member 3 '1': the admin says so, whatever is missing
-- Reply: {DONE}, {CLOSED} where the bucket is not open, {TENURE}
local DONE, CLOSED, TENURE = 1, 2, 6
local call, head = redis.call, KEYS[1]

local real = string.match(call('INFO', 'server'), 'run_id:(%x+)') .. ':' ..
	string.match(call('INFO', 'replication'), 'master_replid:(%x+)')
if real ~= ARGV[1] then
	return {TENURE}
end
local word = ARGV[3] == '1'
if not word and call('HGET', head, 't') ~= real then
	return {CLOSED}
end
local count = call('HGET', head, 'w:' .. ARGV[2])
if count or word then
	call('HSET', head, 'x:' .. ARGV[2], count or call('HGET', head, 'x:' .. ARGV[2]) or 0)
	call('HDEL', head, 'w:' .. ARGV[2], 'v:' .. ARGV[2])
end
if word then
	call('HDEL', head, 'm:' .. ARGV[2], 'b:' .. ARGV[2])
end
return {DONE}
