-- SPDX-License-Identifier: Apache-2.0
-- Accounts ARGV[1] to ARGV[2] as decide.lua wants them: one link, one session, one allowance each. The names are the
-- ones that the benchmark writes into its file of people.
local expires = tonumber(redis.call('TIME')[1]) + 86400
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
	local account = string.format('account-%08d', i)
	local link = 'link_' .. string.sub(redis.sha1hex('l' .. i), 1, 26)
	local session = 'sess:sess_' .. string.sub(redis.sha1hex('s' .. i), 1, 26)
	redis.call('HSET', session, 'account', account, 'link', link, 'service', 'checkout', 'countersigned', 1)
	redis.call('EXPIREAT', session, expires)
	redis.call('HSET', 'acct:' .. account, 'state', 'open', link, 'sandbox', 'day', 0, 'day_minor', 0, 'day_count', 0,
		'month', 0, 'month_minor', 0, 'w_spent', 0, 'w_day_spent', 0, 'w_service', 'checkout', 'w_payee', '*',
		'w_currency', 'CNY', 'w_per_payment', 10000, 'w_per_day', 100000000, 'w_total', 100000000,
		'w_expires', expires)
end
return 'OK'
