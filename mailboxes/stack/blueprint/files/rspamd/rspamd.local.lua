-- Mail with a login comes from the submission ports only; Postfix has tied its envelope sender to that login.
-- Without its +tag, which Rspamd has taken away in some places: it is the same mailbox.
local function plain(address)
  return (((address or ''):lower():gsub('%+[^@]*', '')))
end

local function envelope_sender(task)
  local from = task:get_from('smtp')
  return plain(from and from[1] and from[1].addr)
end

local function refuse(task, why)
  task:set_pre_result('reject', why, 'quazzar')
  return true
end

-- Programs differ in what they take for the address in "a@x.test b@x.test", and show a name that is an address.
local function names_another(from, sender)
  for found in from:lower():gmatch("[%w%.%+_&~'-]+@[%w%.-]+") do
    if plain(found) ~= sender and plain((found:gsub("^'+", ''))) ~= sender then return true end
  end
  return false
end

rspamd_config.QZ_AUTHED = {
  callback = function(task) return task:get_user() ~= nil end,
  score = 0.0, group = 'quazzar', description = 'Sent with a login',
}

-- Postfix guards the envelope only: without this rule a forged From: would leave signed. It runs before all other rules,
-- because each of them may end the scan, and settings that switch rules off do not switch it off.
rspamd_config.QZ_AUTH_FROM_MISMATCH = {
  type = 'prefilter', priority = 100, flags = 'explicit_disable',
  callback = function(task)
    local user = task:get_user()
    if not user then return false end
    local sender = envelope_sender(task)
    if sender == '' then
      -- Anybody with a login may use the empty sender: for receipts and notices, which are reports, and nothing else.
      local content_type = (task:get_header('Content-Type') or ''):lower()
      if not content_type:find('^%s*multipart/report') then
        return refuse(task, 'The empty envelope sender is for delivery and disposition reports only')
      end
      sender = plain(user)
    end
    local headers = task:get_header_full('From') or {}
    local addresses = task:get_from('mime') or {}
    local one = #headers == 1 and #addresses == 1 and plain(addresses[1].addr) == sender
    if one and not names_another(task:get_header('From') or '', sender) then return false end
    return refuse(task, 'The From: header must be the address that the mail is sent from')
  end,
  score = 0.0, group = 'quazzar', description = 'From: is not the envelope sender',
}

-- A valid signature of the very domain in From:. (DMARC would say more, and is not there when SPF cannot be judged.)
rspamd_config.QZ_FROM_SIGNED = {
  callback = function(task)
    local from = task:get_from('mime') or {}
    local domain = #from == 1 and (from[1].domain or ''):lower() or ''
    local valid = task:get_symbol('R_DKIM_ALLOW')
    if domain == '' or not valid then return false end
    for _, signature in ipairs(valid[1].options or {}) do
      if signature:lower():match('^[^:]+') == domain then return true end
    end
    return false
  end,
  score = 0.0, group = 'quazzar', description = 'Signed by the domain in From:',
}
rspamd_config:register_dependency('QZ_FROM_SIGNED', 'DKIM_CHECK')
