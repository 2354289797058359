-- SPDX-License-Identifier: Apache-2.0
-- Whether a record is still as somebody supposes, who remembered it and answers from that.
--
-- KEYS 1 head 2 record
-- ARGV 1 tenure 2 expected: nothing, or revision, or revision and commit id
local DONE, CONFLICT, SUSPECT = 1, 2, 3

if redis.call('HGET', KEYS[1], 't') ~= ARGV[1] then
	return {SUSPECT}
end
local expected = ARGV[2]
local now = redis.call('GETRANGE', KEYS[2], 0, math.max(#expected, 1) - 1)
return {now == expected and DONE or CONFLICT}
