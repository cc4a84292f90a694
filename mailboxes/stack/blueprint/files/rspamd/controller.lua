-- Dovecot asks here before it looks at a password, and says afterwards whether it was right (its "auth policy"). Guessing
-- is limited by name, because behind Docker's NAT everybody has one address. Written by Quazzar.
local rspamd_logger = require 'rspamd_logger'
local ucl = require 'ucl'

-- So many different passwords may be tried at once; then there is a pause before each, twice as long each time.
local FREE, LONGEST_PAUSE = 10, 600
-- Seconds until an attempt is forgotten; and how many names are remembered (a guesser can invent names).
local FORGET, NAMES = 6 * 3600, 20000

-- Name → attempts. Only Dovecot's short hash of a password is known here, 12 bits of it: enough to see that a program
-- tries the same wrong password again, or the right one.
local known, number = {}, 0

local function attempts_of(name, now)
  local found = known[name]
  if found then return found end
  if number >= NAMES then
    known, number = {}, 0
  end
  number = number + 1
  found = { right = {}, tried = {}, count = 0, last = now }
  known[name] = found
  return found
end

-- Whether the password may be tried now. The owner's own password, once it was right, always may: whoever guesses at
-- a mailbox does not lock its owner out.
local function may_try(name, hash, now)
  local attempts = attempts_of(name, now)
  if now - attempts.last > FORGET then
    attempts.tried, attempts.count = {}, 0
  end
  if attempts.right[hash] or attempts.tried[hash] then return true end
  local over = attempts.count - FREE
  local pause = over < 0 and 0 or math.min(2 ^ over, LONGEST_PAUSE)
  if now - attempts.last < pause then
    if now - (attempts.told or 0) > 300 and name:find("^[%w.@_~&'-]+$") then
      attempts.told = now
      -- Quazzar reads this line, see stack/guessing.py.
      rspamd_logger.warnx(rspamd_config, 'quazzar-guessing %s %s', name, attempts.count)
    end
    return false
  end
  attempts.tried[hash], attempts.last = true, now
  attempts.count = attempts.count + 1
  return true
end

local function was_right(name, hash, now)
  local attempts = attempts_of(name, now)
  if attempts.tried[hash] then
    attempts.tried[hash], attempts.count = nil, attempts.count - 1
  end
  attempts.right[hash] = true
end

local function handle(task, connection, arguments)
  local parser = ucl.parser()
  local read = parser:parse_string(tostring(task:get_content()))
  local asked = read and parser:get_object() or {}
  local name, hash = tostring(asked.login or ''):lower():sub(1, 320), tostring(asked.pwhash or '')
  local allowed = true
  if arguments.command == 'allow' then
    allowed = may_try(name, hash, os.time())
  elseif asked.success and not asked.policy_reject then
    was_right(name, hash, os.time())
  end
  connection:send_ucl({ status = allowed and 0 or -1, msg = allowed and '' or 'Too many wrong passwords' })
end

return { quazzar = { auth = { handler = handle, enable = false, need_task = false } } }
