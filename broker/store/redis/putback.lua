-- SPDX-License-Identifier: Apache-2.0
-- A member puts what is missing into the repair area, in the order of its counts. From then on it is here: the count says
-- so. Or, where its journal no longer has it, the member says that it cannot.
--
-- KEYS 1 head 2 repair area
-- ARGV 1 tenure 2 member 3 nothing, or the count up to which the journal is without entries; then count, field, value of each
-- Reply: {DONE, count} or {TENURE}
local DONE, TENURE, CRC = 1, 6, 4
local call, head = redis.call, KEYS[1]

local real = string.match(call('INFO', 'server'), 'run_id:(%x+)') .. ':' ..
	string.match(call('INFO', 'replication'), 'master_replid:(%x+)')
if real ~= ARGV[1] then
	return {TENURE}
end
if ARGV[3] ~= '' then
	call('HSET', head, 'b:' .. ARGV[2], ARGV[3])
	return {DONE, 0}
end
local field = 'w:' .. ARGV[2]
local count = call('HGET', head, field)
if not count then
	local out = call('HGET', head, 'x:' .. ARGV[2])
	if out then
		count, field = out, 'x:' .. ARGV[2]
	end
end
count = tonumber(count or 0)
for i = 4, #ARGV, 3 do
	if tonumber(ARGV[i]) > count then
		-- After a restart a broker does not know its own commits, and takes one into its journal again to answer from it,
		-- without the ground that the entry before has. The same commit ends with the same checksum.
		local value, before = ARGV[i + 2], call('HGET', KEYS[2], ARGV[i + 1])
		if not before or #before <= #value or string.sub(before, -CRC) ~= string.sub(value, -CRC) then
			call('HSET', KEYS[2], ARGV[i + 1], value)
		end
		count = tonumber(ARGV[i])
	end
end
call('HSET', head, field, string.format('%.0f', count))
return {DONE, count}
