-- SPDX-License-Identifier: Apache-2.0
-- Events of one bucket in order, over its segments.
--
-- KEYS 1 head 2 segments
-- ARGV 1 tenure 2 after 3 up to, or "+" 4 events at most 5 bytes, after which no more is added 6 name of a log without its segment
-- Gives {DONE, whether there is more up to there, seq, value, seq, value, ...}
local DONE, SUSPECT = 1, 3
local STEP = 16 -- events read at once, so that not much more than the bytes is read
local SEGMENTS = 8 -- looked at in one script

if redis.call('HGET', KEYS[1], 't') ~= ARGV[1] then
	return {SUSPECT}
end
local after, upto, left, bytes = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local out, n = {DONE, 0}, 2
local rank = math.max(redis.call('ZCOUNT', KEYS[2], '-inf', after) - 1, 0)
local segments = redis.call('ZRANGE', KEYS[2], rank, rank + SEGMENTS)
for i, segment in ipairs(segments) do
	if i > SEGMENTS then
		out[2] = 1
		return out
	end
	local rows
	repeat
		rows = redis.call('XRANGE', ARGV[6] .. segment, '(' .. after, upto, 'COUNT', STEP)
		for _, row in ipairs(rows) do
			if left == 0 or bytes <= 0 then
				out[2] = 1
				return out
			end
			after = string.match(row[1], '^%d+')
			out[n + 1], out[n + 2], n = after, row[2][2], n + 2
			left, bytes = left - 1, bytes - #row[2][2]
		end
	until #rows < STEP
end
return out
