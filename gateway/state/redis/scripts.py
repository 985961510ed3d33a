"""The scripts that Redis runs, in Lua. Each is atomic, goes by the server's clock alone, and needs Redis 6.2 or newer.

Times are in microseconds of Unix time, which a double of Lua holds by ones for the next 250 years.
"""

from __future__ import annotations

from typing import Final

_NOW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
"""

# What claims, charges and limits have in common: for each of KEYS five values of ARGV, behind the first two.
#   rate    "r", amount, microseconds a unit, burst, 0
#   budget  "b", amount, quantity, calendar, and of a charge the window that it was taken from
#   slots   "s", amount, quantity, microseconds of a lease, 0
_COUNTS: Final = (
    _NOW
    + """
local holder = ARGV[2]

-- ARGV[1]: when the caller has stopped waiting; 0 where it knows too little of this clock to say.
local deadline = tonumber(ARGV[1])
if deadline > 0 and now > deadline then return {now, -1, 0} end

local function parameters(index)
  local at = 2 + (index - 1) * 5
  return ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), ARGV[at + 4], tonumber(ARGV[at + 5])
end

-- Number of the month since year 0, and microseconds of Unix time at which it ends. Days to years and months after
-- H. Hinnant, "chrono-compatible low-level date algorithms", civil_from_days and days_from_civil.
local function month_of(second)
  local z = math.floor(second / 86400) + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  local number = year * 12 + month - 1
  local y, m = math.floor((number + 1) / 12), (number + 1) % 12 + 1
  if m <= 2 then y = y - 1 end
  local e = math.floor(y / 400)
  local of_era = y - e * 400
  local of_year = math.floor((153 * (m > 2 and m - 3 or m + 9) + 2) / 5)
  local days = e * 146097 + of_era * 365 + math.floor(of_era / 4) - math.floor(of_era / 100) + of_year - 719468
  return number, days * 86400 * 1000000
end

local LENGTHS = {hour = {3600, 0}, day = {86400, 0}, week = {604800, 345600}}

-- The number of the window now, and the microseconds that are left of it.
local function window(calendar)
  local second = math.floor(now / 1000000)
  if calendar == 'month' then
    local number, ends = month_of(second)
    return number, ends - now
  end
  local length, start = LENGTHS[calendar][1], LENGTHS[calendar][2]
  local number = math.floor((second - start) / length)
  return number, (start + (number + 1) * length) * 1000000 - now
end

local function keep(key, microseconds)
  redis.call('PEXPIRE', key, math.ceil(microseconds / 1000) + 1)
end

local function arrival(key)
  return math.max(tonumber(redis.call('GET', key) or now), now)
end

local function set_arrival(key, at)
  redis.call('SET', key, string.format('%.17g', at), 'PX', math.ceil((at - now) / 1000) + 1)
end

local function spent(key, number)
  local known = redis.call('HMGET', key, 'window', 'units')
  if known[1] and tonumber(known[1]) == number then return tonumber(known[2]) end
  return 0
end

local function set_spent(key, number, units, left)
  redis.call('HSET', key, 'window', number, 'units', string.format('%.0f', units))
  keep(key, left)
end

-- How many others hold a slot.
local function held(key)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  local card = redis.call('ZCARD', key)
  if redis.call('ZSCORE', key, holder) then card = card - 1 end
  return card
end

local function hold(key, lease)
  redis.call('ZADD', key, now + lease, holder)
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
  keep(key, last[2] - now)
end
"""
)

CLOCK: Final = _NOW + "return now"

TAKE: Final = (
    _COUNTS
    + """
local function wait(index)
  local key = KEYS[index]
  local kind, amount, per, detail = parameters(index)
  if kind == 'r' then
    local burst = tonumber(detail)
    if amount > burst then return -1 end
    return math.max(math.ceil(arrival(key) - now - (burst - amount) * per), 0)
  elseif kind == 'b' then
    local number, left = window(detail)
    if spent(key, number) + amount <= per then return 0 end
    return amount <= per and left or -1
  end
  local others = held(key)
  if others < per then return 0 end
  local ends = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  local seen = 0
  for at = 1, #ends, 2 do
    if ends[at] ~= holder then
      seen = seen + 1
      if seen == others - per + 1 then return math.max(ends[at + 1] - now, 1) end
    end
  end
end

local denied, longest = 0, 0
for index = 1, #KEYS do
  local time = wait(index)
  if longest ~= -1 and (time == -1 or time > longest) then denied, longest = index, time end
end

local answer = {now, denied, longest}
for index = 1, #KEYS do
  local key = KEYS[index]
  local kind, amount, per, detail = parameters(index)
  local left, reset, number = 0, 0, 0
  if kind == 'r' then
    local at = arrival(key)
    if denied == 0 then
      at = at + amount * per
      set_arrival(key, at)
    end
    left, reset = tonumber(detail) - math.ceil((at - now) / per), math.ceil(at - now)
  elseif kind == 'b' then
    number, reset = window(detail)
    local units = spent(key, number)
    if denied == 0 then
      units = units + amount
      set_spent(key, number, units, reset)
    end
    left = per - units
  else
    if denied == 0 then hold(key, tonumber(detail)) end
    local card = redis.call('ZCARD', key)
    left, reset = per - card, card > 0 and tonumber(detail) or 0
  end
  answer[#answer + 1] = math.max(left, 0)
  answer[#answer + 1] = reset
  answer[#answer + 1] = number
end
return answer
"""
)

SETTLE: Final = (
    _COUNTS
    + """
for index = 1, #KEYS do
  local key = KEYS[index]
  local kind, amount, per, detail, number = parameters(index)
  if kind == 'r' then
    local at = arrival(key) + amount * per
    if at > now then set_arrival(key, at) else redis.call('DEL', key) end
  elseif kind == 's' then
    redis.call('ZREM', key, holder)
  else
    local is, left = window(detail)
    if is == number then set_spent(key, number, math.max(spent(key, number) + amount, 0), left) end
  end
end
return {now, 0, 0}
"""
)

RENEW: Final = (
    _COUNTS
    + """
for index = 1, #KEYS do
  local _, _, _, detail = parameters(index)
  hold(KEYS[index], tonumber(detail))
end
return {now, 0, 0}
"""
)

# Of a register: KEYS are its documents and its revision. A document is `version|end|value`, with an end of 0 where it
# has none.
# Revisions begin with the server's time, so that those of a server that lost everything go on above what was seen.
_REGISTER: Final = (
    _NOW
    + """
local function living(text)
  if not text then return nil end
  local version, ends, value = string.match(text, '^(%d+)|(%d+)|(.*)$')
  ends = tonumber(ends)
  if ends > 0 and ends <= now then return nil end
  return tonumber(version), value
end

local function changed()
  redis.call('SET', KEYS[2], string.format('%.0f', now), 'NX')
  return redis.call('INCR', KEYS[2])
end
"""
)

READ: Final = (
    _REGISTER
    + """
local answer = {}
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  local version, value = living(all[at + 1])
  if version then
    answer[#answer + 1] = all[at]
    answer[#answer + 1] = version
    answer[#answer + 1] = value
  else
    redis.call('HDEL', KEYS[1], all[at])
  end
end
return answer
"""
)

WRITE: Final = (
    _REGISTER
    + """
local key, value, wanted, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local known = living(redis.call('HGET', KEYS[1], key))
if wanted >= 0 and (known or 0) ~= wanted then return 0 end
local version = changed()
local ends = ttl > 0 and now + ttl or 0
redis.call('HSET', KEYS[1], key, string.format('%.0f|%.0f|', version, ends) .. value)
return version
"""
)

REMOVE: Final = (
    _REGISTER
    + """
local known = living(redis.call('HGET', KEYS[1], ARGV[1]))
local wanted = tonumber(ARGV[2])
if not known or (wanted >= 0 and known ~= wanted) then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
changed()
return 1
"""
)
