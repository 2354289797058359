-- SPDX-License-Identifier: Apache-2.0
-- Events of a bucket that no broker uses yet, at the end of its log; those that are there already are passed over.
--
-- KEYS 1 head 2 log segment 3 segments
-- ARGV 1 segment; then sequence number, value, ...
-- Gives {DONE, segment, events in it}, or {SEGMENT, segment wanted, events in it}
local DONE, SEGMENT = 1, 4
local SEGMENT_EVENTS = 4096

local h = redis.call('HMGET', KEYS[1], 'l', 'g', 'c')
local last, segment, n = tonumber(h[1] or 0), tonumber(h[2] or 0), tonumber(h[3] or 0)
local fresh = segment == 0 or n >= SEGMENT_EVENTS
if fresh then
	segment, n = segment + 1, 0
end
if string.format('%.0f', segment) ~= ARGV[1] then
	return {SEGMENT, segment, n}
end
local first
for i = 2, #ARGV, 2 do
	local seq = tonumber(ARGV[i])
	if seq > last then
		redis.call('XADD', KEYS[2], ARGV[i], 'e', ARGV[i + 1])
		first, last, n = first or ARGV[i], seq, n + 1
	end
end
if first then
	if fresh then
		redis.call('ZADD', KEYS[3], first, ARGV[1])
	end
	redis.call('HSET', KEYS[1], 'l', string.format('%.0f', last), 'g', ARGV[1], 'c', n)
	return {DONE, segment, n}
end
return {DONE, tonumber(h[2] or 0), tonumber(h[3] or 0)}
