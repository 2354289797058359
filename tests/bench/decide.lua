-- SPDX-License-Identifier: Apache-2.0
-- The peer: a decision as a good payment team would write it for Redis, one script a decision and as few commands in it
-- as the job allows: all that belongs to an account lies in one hash. It checks what the broker checks for a spend
-- covered by an allowance (who is asking, link, freezes, limits, allowance, payment id) and keeps an audit list. It
-- has no independence of factors, no hash chain and no sealed texts, and trusts the service's clock.
--
-- KEYS[1] sess:ID; ARGV: service, payment, hold, amount in minor units, currency, payee, payee's name, now in seconds
local PER_PAYMENT, PER_DAY, PER_MONTH, COUNT_DAY = 100000, 100000000, 1000000000, 1000000 -- the policy's limits
local call = redis.call
local service, payment, hold, amount, now = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[8])
local day, month = math.floor(now / 86400), math.floor(now / 2592000)

local s = call('HMGET', KEYS[1], 'account', 'link', 'service', 'countersigned') -- expires with its key
if s[3] ~= service or not amount or amount <= 0 then
	return {'deny', 'session_invalid'}
end
local account, link = s[1], s[2]
local key, payment_key = 'acct:' .. account, 'pay:' .. account .. ':' .. payment
local before = call('GET', payment_key)
if before then
	return {'permit', 'allowance', before, 'replayed'}
end

local a = call('HMGET', key, 'state', link, 'day', 'day_minor', 'day_count', 'month', 'month_minor', 'w_spent',
	'w_day_spent', 'w_service', 'w_payee', 'w_currency', 'w_per_payment', 'w_per_day', 'w_total', 'w_expires')
if a[1] ~= 'open' then
	return {'deny', 'account_frozen'}
elseif not a[2] then
	return {'deny', 'link_unknown'}
elseif call('EXISTS', 'frozen:' .. a[2]) == 1 then
	return {'deny', 'provider_frozen'}
end

local same_day, same_month = tonumber(a[3]) == day, tonumber(a[6]) == month
local day_minor, day_count = same_day and tonumber(a[4]) or 0, same_day and tonumber(a[5]) or 0
local month_minor, w_day = same_month and tonumber(a[7]) or 0, same_day and tonumber(a[9]) or 0
local w_spent = tonumber(a[8])
if amount > PER_PAYMENT then
	return {'deny', 'limit_payment', PER_PAYMENT}
elseif day_minor + amount > PER_DAY then
	return {'deny', 'limit_day', PER_DAY}
elseif month_minor + amount > PER_MONTH then
	return {'deny', 'limit_month', PER_MONTH}
elseif day_count + 1 > COUNT_DAY then
	return {'deny', 'limit_count', COUNT_DAY}
elseif s[4] ~= '1' or a[10] ~= service or a[12] ~= ARGV[5] or (a[11] ~= '*' and a[11] ~= ARGV[6])
	or amount > tonumber(a[13]) or w_day + amount > tonumber(a[14]) or w_spent + amount > tonumber(a[15])
	or tonumber(a[16]) <= now then
	return {'step_up', 'countersignature_required'}
end

call('HSET', key, 'day', day, 'day_minor', day_minor + amount, 'day_count', day_count + 1, 'month', month,
	'month_minor', month_minor + amount, 'w_spent', w_spent + amount, 'w_day_spent', w_day + amount)
call('SET', payment_key, hold)
call('RPUSH', 'events', table.concat({'payment_permitted', account, link, service, payment, hold, ARGV[4],
	ARGV[5], ARGV[6], ARGV[7], 'allowance', day_minor, month_minor}, ' '))
return {'permit', 'allowance', hold, 'captured'}
