-- SPDX-License-Identifier: Apache-2.0
-- How far an import is, said by the run that owns it; another run that began since takes its place.
--
-- KEYS 1 meta
-- ARGV 1 run; then field, value, ...
if redis.call('HGET', KEYS[1], 'import_run') ~= ARGV[1] or redis.call('HGET', KEYS[1], 'state') ~= 'import' then
	return 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return 1
