-- SPDX-License-Identifier: Apache-2.0
-- A member proves that all it acknowledged in this bucket is here; the last one whose proof was missing opens it.
-- README.md, "Repair", says why this is enough.
--
-- KEYS 1 head 2 repair area
-- ARGV 1 tenure that the member knows 2 member 3 its name 4 greatest count it acknowledged 5 least last number of the
-- log after an opening 6 '1': since its last proof here it was asked for one under another tenure; then of each other
-- member that it has in its journal: id, name, and two digits: '1' where that one knows it, '1' where it seems to be alive
-- Reply: {OPEN}, {LOST, count}, {WAITING, ids...}, {REPAIR, tenure as the head has it}, {LEARN, id, name...}, {TENURE}, {HELD, ids...}, {JOINING, ids...}
local OPEN, LOST, WAITING, REPAIR, LEARN, TENURE, HELD, JOINING = 1, 2, 3, 4, 5, 6, 7, 8
local FLIGHT = 65536 -- more than the calls that one broker has open
local call, head = redis.call, KEYS[1]

-- What this server says of itself, not what somebody believes.
local real = string.match(call('INFO', 'server'), 'run_id:(%x+)') .. ':' ..
	string.match(call('INFO', 'replication'), 'master_replid:(%x+)')
if real ~= ARGV[1] then
	return {TENURE}
end

local flat, h = call('HGETALL', head), {}
for i = 1, #flat, 2 do
	h[flat[i]] = flat[i + 1]
end
local me, position = ARGV[2], tonumber(ARGV[4])
local known, confirmed, live = {[me] = ARGV[3]}, {}, {}
for i = 7, #ARGV, 3 do
	known[ARGV[i]] = ARGV[i + 1]
	confirmed[ARGV[i]] = string.sub(ARGV[i + 2], 1, 1) == '1'
	live[ARGV[i]] = string.sub(ARGV[i + 2], 2, 2) == '1'
end

-- Nobody takes part who does not know all others: who was away learns here whom he must wait for later.
local learn = {}
for field, value in pairs(h) do
	if string.sub(field, 1, 2) == 'm:' and not known[string.sub(field, 3)] then
		learn[#learn + 1] = string.sub(field, 3)
		learn[#learn + 1] = value
	end
end
if #learn > 0 then
	return {LEARN, unpack(learn)}
end
-- And a head that was rolled back to a time before a member joined learns it from who knows it.
for id, name in pairs(known) do
	if id == me and h['m:' .. id] ~= name or not h['m:' .. id] and not h['x:' .. id] then
		call('HSET', head, 'm:' .. id, name)
		h['m:' .. id] = name
	end
end

local opened, asked = h.t == real, '~' .. real
if not opened and h.t ~= asked then
	-- From now on nothing passes that was asked under the tenure before.
	call('HSET', head, 't', asked)
end
local count = tonumber(h['w:' .. me] or h['x:' .. me] or 0)
if opened and h['w:' .. me] and h['v:' .. me] == real and (count < position or ARGV[6] == '1') then
	-- What was proved under this very tenure is gone; or this is a master that another had followed, and that is back as
	-- if nothing had been. Everybody's proof is void.
	opened = false
	call('HSET', head, 't', asked)
	for field in pairs(h) do
		if string.sub(field, 1, 2) == 'v:' then
			call('HDEL', head, field)
			h[field] = nil
		end
	end
end
if count < position then
	return {LOST, count}
end
if h['v:' .. me] ~= real then
	-- Counts never come twice, in whatever other history this server's data may have been continued: each begins at the time
	-- of its proof, which no history reaches by counting. Where this server's clock is behind that of the one before, it
	-- begins above all that could be in flight there without an answer.
	local now = call('TIME')
	count = math.max(count + FLIGHT, now[1] * 1000000 + now[2])
end
call('HSET', head, 'w:' .. me, string.format('%.0f', count), 'v:' .. me, real)
call('HDEL', head, 'x:' .. me, 'b:' .. me)
h['w:' .. me], h['v:' .. me], h['x:' .. me], h['b:' .. me] = count, real, nil, nil

if not opened then
	local held, waiting = {}, {}
	for field in pairs(h) do
		local kind, id = string.sub(field, 1, 2), string.sub(field, 3)
		if kind == 'b:' then
			held[#held + 1] = id
		elseif kind == 'm:' and h['v:' .. id] ~= real and (h['w:' .. id] or not h['x:' .. id] or live[id]) then
			waiting[#waiting + 1] = id
		end
	end
	if #held > 0 then
		return {HELD, unpack(held)}
	elseif #waiting > 0 then
		return {WAITING, unpack(waiting)}
	end
end
if call('HLEN', KEYS[2]) > 0 then
	return {REPAIR, opened and real or asked}
end
if not opened then
	call('HSET', head, 't', real, 'l', string.format('%.0f', math.max(tonumber(h.l or 0), tonumber(ARGV[5]))))
end
local strangers = {}
for field in pairs(h) do
	local id = string.sub(field, 3)
	if string.sub(field, 1, 2) == 'w:' and id ~= me and not confirmed[id] then
		strangers[#strangers + 1] = id
	end
end
if #strangers > 0 then
	return {JOINING, unpack(strangers)}
end
return {OPEN}
