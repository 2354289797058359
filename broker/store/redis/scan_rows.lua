-- SPDX-License-Identifier: Apache-2.0
-- The events with these numbers, in the order that was asked.
--
-- KEYS 1 head 2 segments
-- ARGV 1 tenure 2 numbers of 8 bytes in one text 3 bytes, after which no more is added 4 name of a log without its segment
-- Gives {DONE, seq, value, ...} of the first of them, or {GONE, seq} where no event has it
local DONE, SUSPECT, GONE = 1, 3, 10

if redis.call('HGET', KEYS[1], 't') ~= ARGV[1] then
	return {SUSPECT}
end
local bytes, out, n = tonumber(ARGV[3]), {DONE}, 1
for i = 1, #ARGV[2], 8 do
	local seq = string.format('%.0f', struct.unpack('>I8', ARGV[2], i))
	local rank = redis.call('ZCOUNT', KEYS[2], '-inf', seq) - 1
	local segment = rank >= 0 and redis.call('ZRANGE', KEYS[2], rank, rank)[1]
	local row = segment and redis.call('XRANGE', ARGV[4] .. segment, seq, seq)[1]
	if not row then
		return {GONE, seq}
	end
	if bytes <= 0 then
		break
	end
	out[n + 1], out[n + 2], n = seq, row[2][2], n + 2
	bytes = bytes - #row[2][2]
end
return out
