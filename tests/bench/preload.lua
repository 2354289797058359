-- SPDX-License-Identifier: Apache-2.0
-- Accounts ARGV[1] to ARGV[2] as decide.lua wants them: one link, one session, one allowance each. The names are the
-- ones that the benchmark writes into its file of people.
local expires = tonumber(redis.call('TIME')[1]) + 86400
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
	local account = string.format('account-%08d', i)
	local link = 'link_' .. string.sub(redis.sha1hex('l' .. i), 1, 26)
	local session = 'sess_' .. string.sub(redis.sha1hex('s' .. i), 1, 26)
	redis.call('HSET', 'sess:' .. session, 'account', account, 'link', link, 'service', 'checkout',
		'expires', expires, 'countersigned', 1)
	redis.call('HSET', 'link:' .. link, 'account', account, 'state', 'active', 'provider', 'sandbox',
		'subject', redis.sha1hex('u' .. i), 'usable', 0)
	redis.call('HSET', 'acct:' .. account, 'state', 'open', 'day', 0, 'day_minor', 0, 'month', 0, 'month_minor', 0,
		'day_count', 0, 'per_payment', 100000, 'per_day', 100000000, 'per_month', 1000000000,
		'count_day', 1000000)
	redis.call('HSET', 'allow:' .. link, 'service', 'checkout', 'payee', '*', 'currency', 'CNY', 'per_payment', 10000,
		'per_day', 100000000, 'total', 100000000, 'spent', 0, 'day', 0, 'day_spent', 0, 'expires', expires)
end
return 'OK'
