-- SPDX-License-Identifier: Apache-2.0
-- Back along a record's own events, newest first, in bounded steps.
--
-- KEYS 1 head 2 record 3 segments
-- ARGV 1 tenure 2 seq to begin with, or nothing: the newest 3 after: events up to there are not wanted 4 events at most
-- 5 bytes, after which no more is added; 0: numbers only 6 name of a log without its segment
-- Gives {DONE, seq to go on with or "0", seq, value, ...}, or {DONE, next, numbers of 8 bytes in one text}, or {GONE, seq} where no event has it
local DONE, SUSPECT, CORRUPT, GONE = 1, 3, 8, 10
local HEADER, SEQ_AT = 40, 17

if redis.call('HGET', KEYS[1], 't') ~= ARGV[1] then
	return {SUSPECT}
end
local at, after, left, bytes = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local numbers = bytes == 0
if at == '' then
	local header = redis.call('GETRANGE', KEYS[2], 0, HEADER - 1)
	if header ~= '' and #header < HEADER then
		return {CORRUPT}
	end
	at = header == '' and 0 or struct.unpack('>I8', header, SEQ_AT)
else
	at = tonumber(at)
end
local out, n, seqs = {DONE, '0'}, 2, {}
local log, first
while at > after and left > 0 and (numbers or bytes > 0) do
	local seq = string.format('%.0f', at)
	if not log or at < first then
		local rank = redis.call('ZCOUNT', KEYS[3], '-inf', seq) - 1
		local segment = rank >= 0 and redis.call('ZRANGE', KEYS[3], rank, rank, 'WITHSCORES') or {}
		if not segment[1] then
			return {GONE, seq}
		end
		log, first = ARGV[6] .. segment[1], tonumber(segment[2])
	end
	local row = redis.call('XRANGE', log, seq, seq)[1]
	if not row or #row[2][2] < 8 then
		-- What was met before it is given; who goes on from here meets it alone.
		if n == 2 and #seqs == 0 then
			return {GONE, seq}
		end
		break
	end
	local back = struct.unpack('>I8', row[2][2])
	if back >= at then
		return {CORRUPT}
	end
	if numbers then
		seqs[#seqs + 1] = struct.pack('>I8', at)
	else
		out[n + 1], out[n + 2], n = seq, row[2][2], n + 2
		bytes = bytes - #row[2][2]
	end
	at, left = back, left - 1
end
out[2] = string.format('%.0f', at)
if numbers then
	out[3] = table.concat(seqs)
end
return out
