-- SPDX-License-Identifier: Apache-2.0
-- An entry leaves the repair area: it is in its record now, or it is held with its record because it does not fit.
--
-- KEYS 1 head 2 repair area 3 held entries of the record 4 record; 3 and 4 only where it is held, 4 only of a commit
-- ARGV 1 tenure 2 field
-- Reply: {DONE}, {GONE} where another did it, {TENURE}
local DONE, GONE, TENURE, HEADER = 1, 2, 6, 40
local call = redis.call

local real = string.match(call('INFO', 'server'), 'run_id:(%x+)') .. ':' ..
	string.match(call('INFO', 'replication'), 'master_replid:(%x+)')
if real ~= ARGV[1] then
	return {TENURE}
end
local value = call('HGET', KEYS[2], ARGV[2])
if not value then
	return {GONE}
end
if KEYS[3] then
	if call('EXISTS', KEYS[3]) == 0 then
		call('HINCRBY', KEYS[1], 'y', 1)
	end
	call('HSET', KEYS[3], ARGV[2], value)
end
if KEYS[4] then
	-- The top bit of a record's first byte: whoever commits meets a conflict, whoever loads is told.
	local first = call('GETRANGE', KEYS[4], 0, 0)
	if first == '' then
		call('SET', KEYS[4], '\128' .. string.rep('\0', HEADER - 1))
	elseif string.byte(first) < 128 then
		call('SETRANGE', KEYS[4], 0, string.char(string.byte(first) + 128))
	end
end
call('HDEL', KEYS[2], ARGV[2])
return {DONE}
