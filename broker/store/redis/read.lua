-- SPDX-License-Identifier: Apache-2.0
-- Values of some keys, from a bucket that is open.
--
-- KEYS 1 head, then the keys whose values are wanted
-- ARGV 1 tenure
local DONE, SUSPECT = 1, 3

if redis.call('HGET', KEYS[1], 't') ~= ARGV[1] then
	return {SUSPECT}
end
local values = redis.call('MGET', unpack(KEYS, 2))
return {DONE, unpack(values)}
