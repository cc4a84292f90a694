-- Dovecot asks here before it checks a password, and reports afterwards whether it was right (its "auth policy"). Guessing
-- is limited by name, and by address if it is the client's: behind Docker's NAT, everybody has the gateway's.
-- It cannot be limited by password, because the hash that arrives here covers name and password together. Written by Quazzar.
local rspamd_logger = require 'rspamd_logger'
local ucl = require 'ucl'

-- This many different passwords may be tried at once. Before each further one there is a pause, twice as long each time.
local FREE, LONGEST_PAUSE = 10, 600
-- The same for one address with any names, as when a common password is tried. One is forgotten after this many seconds, so
-- that people in one office, or behind one webmail, can mistype now and then.
local ADDRESS_FREE, LEAK = 30, 120
local GATEWAY = '@gateway@'
-- Seconds until an attempt is forgotten, and how many names are remembered (an attacker can invent names).
local FORGET, NAMES = 6 * 3600, 20000

-- Name → attempts. Only Dovecot's short hash of a password is known here, 12 bits of it: enough to notice that a program
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

-- Address → how many more wrong passwords it may try, and when it tried the last one.
local clients, client_number = {}, 0

local function client_of(address, now)
  if address == '' or address == GATEWAY or address == '::1' or address:find('^127%.') then return nil end
  local found = clients[address]
  if not found then
    if client_number >= NAMES then
      clients, client_number = {}, 0
    end
    client_number = client_number + 1
    found = { count = 0, seen = now, last = 0 }
    clients[address] = found
  end
  found.count = math.max(0, found.count - (now - found.seen) / LEAK)
  found.seen = now
  return found
end

local function pause_of(over)
  return over < 0 and 0 or math.min(2 ^ over, LONGEST_PAUSE)
end

-- Whether a client that guesses has to wait. Quazzar reads the line that this logs now and then; see stack/guessing.py.
local function must_wait(who, entry, free, now)
  if now - entry.last >= pause_of(math.floor(entry.count) - free) then return false end
  if now - (entry.told or 0) > 300 and who:find("^[%w.:@_~&'-]+$") then
    entry.told = now
    rspamd_logger.warnx(rspamd_config, 'quazzar-guessing %s %s', who, math.floor(entry.count))
  end
  return true
end

-- Whether the password may be tried now. The owner's password, once it was right, always may: guessing at a mailbox
-- does not lock its owner out.
local function may_try(name, hash, address, now)
  local attempts, client = attempts_of(name, now), client_of(address, now)
  if now - attempts.last > FORGET then
    attempts.tried, attempts.count = {}, 0
  end
  if attempts.right[hash] or attempts.tried[hash] then return true end
  if must_wait(name, attempts, FREE, now) then return false end
  if client and must_wait(address, client, ADDRESS_FREE, now) then return false end
  attempts.tried[hash], attempts.last = true, now
  attempts.count = attempts.count + 1
  if client then
    client.count, client.last = client.count + 1, now
  end
  return true
end

local function was_right(name, hash, address, now)
  local attempts, client = attempts_of(name, now), client_of(address, now)
  if attempts.tried[hash] then
    attempts.tried[hash], attempts.count = nil, attempts.count - 1
    if client then
      client.count = math.max(0, client.count - 1)
    end
  end
  attempts.right[hash] = true
end

local function handle(task, connection, arguments)
  local parser = ucl.parser()
  local read = parser:parse_string(tostring(task:get_content()))
  local asked = read and parser:get_object() or {}
  local name, hash = tostring(asked.login or ''):lower():sub(1, 320), tostring(asked.pwhash or '')
  local address = tostring(asked.remote or ''):sub(1, 45)
  local allowed = true
  if arguments.command == 'allow' then
    allowed = may_try(name, hash, address, os.time())
  elseif asked.success and not asked.policy_reject then
    was_right(name, hash, address, os.time())
  end
  connection:send_ucl({ status = allowed and 0 or -1, msg = allowed and '' or 'Too many wrong passwords' })
end

return { quazzar = { auth = { handler = handle, enable = false, need_task = false } } }
