-- SPDX-License-Identifier: Apache-2.0
-- The peer: a decision as a sensible payment team would write it for Redis, one script a decision. It checks what the
-- broker checks for a spend covered by an allowance (who is asking, link, freezes, limits, allowance, payment id) and
-- keeps an audit stream. It has no rule 11, no signed evidence, no hash chain, and no replay but Redis' own.
--
-- KEYS[1] sess:ID; ARGV: service, payment, hold, amount in minor units, currency, payee, payee's name
local function deny(reason, ...)
	return {'deny', reason, ...}
end

local now = tonumber(redis.call('TIME')[1])
local day, month = math.floor(now / 86400), math.floor(now / 2592000)
local service, payment, hold, amount = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local currency, payee = ARGV[5], ARGV[6]
if not amount or amount <= 0 then
	return redis.error_reply('ERR amount')
end

local s = redis.call('HMGET', KEYS[1], 'account', 'link', 'service', 'expires', 'countersigned')
if not s[1] or s[3] ~= service or tonumber(s[4]) <= now then
	return deny('session_invalid')
end
local account_key = 'acct:' .. s[1]
local payment_key = 'pay:' .. s[1] .. ':' .. payment

local content = ARGV[4] .. ' ' .. currency .. ' ' .. payee
local before = redis.call('HMGET', payment_key, 'content', 'hold')
if before[1] then
	if before[1] ~= content then
		return deny('payment_mismatch')
	end
	return {'permit', 'allowance', before[2], 'replayed'}
end

local l = redis.call('HMGET', 'link:' .. s[2], 'account', 'state', 'provider', 'usable')
if l[1] ~= s[1] or l[2] ~= 'active' or tonumber(l[4]) > now then
	return deny('link_unknown')
end
if redis.call('HGET', 'frozen', l[3]) then
	return deny('provider_frozen')
end

local a = redis.call('HMGET', account_key, 'state', 'day', 'day_minor', 'month', 'month_minor', 'day_count',
	'per_payment', 'per_day', 'per_month', 'count_day')
if a[1] ~= 'open' then
	return deny('account_frozen')
end
local day_minor = a[2] == tostring(day) and tonumber(a[3]) or 0
local day_count = a[2] == tostring(day) and tonumber(a[6]) or 0
local month_minor = a[4] == tostring(month) and tonumber(a[5]) or 0
if amount > tonumber(a[7]) then
	return deny('limit_payment', a[7])
elseif day_minor + amount > tonumber(a[8]) then
	return deny('limit_day', a[8])
elseif month_minor + amount > tonumber(a[9]) then
	return deny('limit_month', a[9])
elseif day_count + 1 > tonumber(a[10]) then
	return deny('limit_count', a[10])
end

local allowance_key = 'allow:' .. s[2]
local w = redis.call('HMGET', allowance_key, 'service', 'payee', 'currency', 'per_payment', 'per_day', 'total',
	'spent', 'day', 'day_spent', 'expires')
local w_day = w[8] == tostring(day) and tonumber(w[9]) or 0
if s[5] ~= '1' or w[1] ~= service or w[3] ~= currency or (w[2] ~= '*' and w[2] ~= payee)
	or amount > tonumber(w[4]) or w_day + amount > tonumber(w[5]) or tonumber(w[7]) + amount > tonumber(w[6])
	or tonumber(w[10]) <= now then
	return {'step_up', 'countersignature_required'}
end

redis.call('HSET', account_key, 'day', day, 'day_minor', day_minor + amount, 'month', month,
	'month_minor', month_minor + amount, 'day_count', day_count + 1)
redis.call('HSET', allowance_key, 'spent', tonumber(w[7]) + amount, 'day', day, 'day_spent', w_day + amount)
redis.call('HSET', payment_key, 'content', content, 'hold', hold, 'state', 'captured', 'at', now)
redis.call('XADD', 'events', '*', 'type', 'payment_permitted', 'account', s[1], 'link', s[2], 'session', KEYS[1],
	'service', service, 'payment', payment, 'hold', hold, 'amount', ARGV[4], 'currency', currency, 'payee', payee,
	'payee_name', ARGV[7], 'basis', 'allowance', 'seen_day', day_minor, 'seen_month', month_minor)
return {'permit', 'allowance', hold, 'captured'}
