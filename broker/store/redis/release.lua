-- SPDX-License-Identifier: Apache-2.0
-- The admin's word on what could not be proved. Of a record: what is here is taken as it is, what did not fit is dropped.
-- Of a bucket: the members that lack entries go on with what is here.
--
-- KEYS 1 head; and of a record 2 held entries 3 record
-- ARGV 1 tenure
-- Reply: {DONE, n}, {NOTHING}, {TENURE}
local DONE, NOTHING, TENURE, HEADER = 1, 2, 6, 40
local call, head = redis.call, KEYS[1]

local real = string.match(call('INFO', 'server'), 'run_id:(%x+)') .. ':' ..
	string.match(call('INFO', 'replication'), 'master_replid:(%x+)')
if real ~= ARGV[1] then
	return {TENURE}
end
local n = 0
if not KEYS[2] then
	local flat = call('HGETALL', head)
	for i = 1, #flat, 2 do
		if string.sub(flat[i], 1, 2) == 'b:' then
			local id = string.sub(flat[i], 3)
			local field = call('HEXISTS', head, 'x:' .. id) == 1 and 'x:' .. id or 'w:' .. id
			local count = tonumber(call('HGET', head, field) or 0)
			call('HSET', head, field, string.format('%.0f', math.max(count, tonumber(flat[i + 1]))))
			call('HDEL', head, flat[i])
			n = n + 1
		end
	end
	return n > 0 and {DONE, n} or {NOTHING}
end
n = call('HLEN', KEYS[2])
local first = call('GETRANGE', KEYS[3], 0, 0)
if n == 0 and (first == '' or string.byte(first) < 128) then
	return {NOTHING}
end
if n > 0 then
	call('DEL', KEYS[2])
	call('HINCRBY', head, 'y', -1)
end
if first ~= '' and string.byte(first) >= 128 then
	if call('STRLEN', KEYS[3]) <= HEADER then
		call('DEL', KEYS[3])
	else
		call('SETRANGE', KEYS[3], 0, string.char(string.byte(first) - 128))
	end
end
return {DONE, n}
