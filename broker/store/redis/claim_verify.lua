-- SPDX-License-Identifier: Apache-2.0
-- Asks the truth about a claim: whether the record's set holds it. Where it does not, and the claim waits for a commit,
-- the same step sees to it that this commit will never happen.
--
-- KEYS 1 head 2 record 3 set of its claims 4 mark of a held record 5 poison of the commit id
-- ARGV 1 tenure 2 claim 3 poison: 0 never, 1 unless the set holds the claim, 2 always 4 seconds that the poison stays
-- Gives {DONE, 1 or 0}
local DONE, SUSPECT, HELD = 1, 3, 9

if redis.call('HGET', KEYS[1], 't') ~= ARGV[1] then
	return {SUSPECT}
end
-- What a held record holds is not known.
local first = redis.call('GETRANGE', KEYS[2], 0, 0)
if (first ~= '' and string.byte(first) >= 128) or redis.call('EXISTS', KEYS[4]) == 1 then
	return {HELD}
end
local holds = redis.call('SISMEMBER', KEYS[3], ARGV[2])
if ARGV[3] == '2' or (ARGV[3] == '1' and holds == 0) then
	redis.call('SET', KEYS[5], '', 'EX', ARGV[4])
end
return {DONE, holds}
