-- SPDX-License-Identifier: Apache-2.0
-- Puts a claim back that was lost, unless a newer value is there. For a bucket that is being repaired: asks no tenure.
--
-- KEYS 1 claim
-- ARGV 1 value
-- Gives {DONE, 1 where it was put back, else 0}
local DONE, CORRUPT, VERSION_BYTES = 1, 8, 8

local now = redis.call('GET', KEYS[1])
if #ARGV[1] < VERSION_BYTES or (now and #now < VERSION_BYTES) then
	return {CORRUPT}
elseif now and struct.unpack('>I8', now) >= struct.unpack('>I8', ARGV[1]) then
	return {DONE, 0}
end
redis.call('SET', KEYS[1], ARGV[1])
return {DONE, 1}
