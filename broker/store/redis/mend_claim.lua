-- SPDX-License-Identifier: Apache-2.0
-- An admin's tool puts the index of a link key right, which the sets of the records say the truth of.
--
-- KEYS 1 head 2 claim
-- ARGV 1 tenure 2 value that was seen, or nothing 3 new value
local DONE, CONFLICT, SUSPECT = 1, 2, 3

if redis.call('HGET', KEYS[1], 't') ~= ARGV[1] then
	return {SUSPECT}
end
if (redis.call('GET', KEYS[2]) or '') ~= ARGV[2] then
	return {CONFLICT}
end
redis.call('SET', KEYS[2], ARGV[3])
return {DONE}
