-- Mail with a login comes from the submission ports only; Postfix has checked that its envelope sender fits the login.
-- Without its +tag, which Rspamd removes in some places: it is the same mailbox.
local function plain(address)
  return (((address or ''):lower():gsub('%+[^@]*', '')))
end

local function envelope_sender(task)
  local from = task:get_from('smtp')
  return plain(from and from[1] and from[1].addr)
end

-- Every address in a header's text. Programs differ in what they consider the address in "a@x.test b@x.test", and show
-- a name that is an address. The local part may contain what RFC 5322 (atext) and RFC 6532 allow, and dots, or be quoted.
local ATOM = "%w!#$%%&'*+/=?^_`{|}~.%-\128-\255"
local function addresses_in(text)
  return text:lower():gmatch('[' .. ATOM .. '][' .. ATOM .. '\\"]*@%[?[%w.\128-\255-]+')
end

-- An address as an SMTP answer can show it (RFC 5321 section 4.5.3.1.5: 512 bytes a line).
local function shown(address)
  address = address:gsub('[^\33-\126]', '?')
  return #address <= 100 and address or address:sub(1, 100) .. '...'
end

-- Why the headers do not name `sender` as the sender; nil if they do. The fields that name a sender are those of
-- RFC 5322 sections 3.6.2 and 3.6.6.
local function wrong_header(task, sender)
  local login = plain(task:get_user())
  for _, name in ipairs({ 'From', 'Sender', 'Resent-From', 'Resent-Sender' }) do
    local headers = task:get_header_full(name) or {}
    if name == 'From' and #headers ~= 1 then
      return string.format('The mail has %s From: header; it must have one', #headers == 0 and 'no' or 'more than one')
    end
    for _, header in ipairs(headers) do
      local text, own = header.decoded or header.value or '', false
      for found in addresses_in(text) do
        local bare = plain((found:gsub("^'+", '')))
        -- The author is the envelope sender, maybe an alias; the agent may also be the mailbox itself.
        if plain(found) == sender or bare == sender or (name ~= 'From' and (plain(found) == login or bare == login)) then
          own = true
        else
          return string.format('The %s: header names %s, but the mail is sent from %s', name, shown(found), shown(sender))
        end
      end
      if not own then
        return string.format('The %s: header does not name %s, from which the mail is sent', name, shown(sender))
      end
    end
  end
  local addresses = task:get_from('mime') or {}
  if #addresses ~= 1 or plain(addresses[1].addr) ~= sender then
    return string.format('The From: header must hold one address, %s', shown(sender))
  end
end

-- --- DKIM: a file with the selectors of each domain, and one for each key; see parts.py. Containers that 0.3.0 created
-- have them in the second place.
local PLACES = { '/mail-dkim/', '/mail-config/dkim/' }
-- (o): signed once more often than it occurs, so that none can be added later; (x): the same, if there is one.
local SIGNED = '(o)from:(x)sender:(x)reply-to:(o)to:(o)cc:(o)subject:(o)date:(o)message-id:(x)in-reply-to:' ..
  '(x)references:(x)mime-version:(x)content-type'

-- Signs with every key of the sender's domain. Mail of a domain without a file waits for it; an empty file means that the domain
-- has no key. Returns whether the mail may leave.
local function sign(task, domain)
  if not domain:find('^%w[%w.-]*$') then return false end
  for _, place in ipairs(PLACES) do
    local file = io.open(place .. 'domains/' .. domain)
    if file then
      local selectors = file:read('*a')
      file:close()
      local done = {}
      for selector in selectors:gmatch('[^\n]+') do
        -- By path: Rspamd would log the content of a key that it cannot load.
        local key = string.format('%skeys/%s.%s', place, domain, selector)
        local parameters = { domain = domain, selector = selector, key = key, headers = SIGNED }
        if not rspamd_plugins.dkim.sign(task, parameters) then return false end
        done[#done + 1] = domain .. ':' .. selector
      end
      -- For the log, which says so to maillog/daemons/rspamd.py.
      if #done > 0 then task:insert_result('QZ_SIGNED', 1.0, done) end
      return true
    end
  end
  return false
end

rspamd_config:set_metric_symbol({
  name = 'QZ_SIGNED', score = 0.0, group = 'quazzar', description = 'Signed with a key of its domain',
})

rspamd_config.QZ_AUTHED = {
  callback = function(task) return task:get_user() ~= nil end,
  score = 0.0, group = 'quazzar', description = 'Sent with a login',
}

-- Refuses mail that names a sender other than the login's, and signs the rest. One function does both, so that nothing is signed
-- without that check. Returns action and sentence; nil for mail that may go on.
local function judge(task)
  local sender = envelope_sender(task)
  if sender == '' then
    -- Everybody with a login may use the empty sender, but only for reports: receipts and notices.
    local content_type = (task:get_header('Content-Type') or ''):lower()
    if not content_type:find('^%s*multipart/report') then
      return 'reject', 'The empty envelope sender is for delivery and disposition reports only'
    end
    sender = plain(task:get_user())
  end
  local wrong = wrong_header(task, sender)
  -- Mail of Quazzar's relay, whose bounces come to its own mailbox: it is from who signed in. Postfix's table says who may.
  if wrong and sender:find('^bounces@') and not wrong_header(task, plain(task:get_user())) then
    sender, wrong = plain(task:get_user()), nil
  end
  if wrong then return 'reject', wrong end
  if not sign(task, sender:match('@([^@]*)$') or '') then
    return 'soft reject', 'The mail cannot be signed at the moment; try again later'
  end
end

-- It runs before all other rules, because each of them may end the scan, and neither settings nor a verdict of others
-- switch it off. Mail that it cannot judge is not sent.
rspamd_config.QZ_AUTH_FROM_MISMATCH = {
  type = 'prefilter', priority = 100, flags = 'explicit_disable,ignore_passthrough',
  callback = function(task)
    if not task:get_user() then return false end
    local ran, action, sentence = pcall(judge, task)
    if not ran then
      require('rspamd_logger').errx(task, 'quazzar: %s', action)
      action, sentence = 'soft reject', 'The mail cannot be checked at the moment; try again later'
    end
    if not action then return false end
    task:set_pre_result(action, sentence, 'quazzar')
    return true
  end,
  score = 0.0, group = 'quazzar', description = 'The mail names another sender, or cannot be signed',
}

-- A valid signature of exactly the domain in From:. (DMARC would say more, but is missing if SPF cannot be judged.)
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

-- --- Reports that come back about mail from here, for the log: maillog/daemons/rspamd.py reads what became of that mail. Nothing
-- but what is written for programs and the Message-ID of the original leaves these functions, and only of a report with the
-- empty envelope sender. Written for programs are the part of RFC 3464; what qmail says of each recipient
-- (https://cr.yp.to/proto/qsbmf.txt), and Exim's X-Failed-Recipients: both are written here as that part would be.
local MOST_STATUS, MOST_ORIGINAL, MOST_WORDS, MOST_RECIPIENTS = 2000, 16384, 300, 5
local ORIGINALS = { ['message/rfc822'] = true, ['message/global'] = true, ['text/rfc822-headers'] = true,
  ['message/global-headers'] = true }
local STATUSES = { ['message/delivery-status'] = true, ['message/global-delivery-status'] = true }

local function beginning_of(part)
  return '\n' .. tostring(part:get_content()):sub(1, MOST_ORIGINAL):gsub('\r', '')
end

local function message_id_in(text)
  return text:match('\n[Mm][Ee][Ss][Ss][Aa][Gg][Ee]%-[Ii][Dd]:%s*<([^<>%s]+)>')
end

local function failed(address, words)
  return string.format('Final-Recipient: rfc822; %s\nAction: failed\nDiagnostic-Code: x-text; %s\n', address,
    words:gsub('%s+', ' '):sub(1, MOST_WORDS))
end

-- What a report without the part for programs says, and the Message-ID in its text.
local function told_in(text, header)
  local groups = {}
  -- qmail: paragraphs, of which those that begin with < are recipients. One that begins with - ends them.
  local top = text:find('^%s*Hi%. This is the ') and text:match('^(.-)\n[ \t]*\n%-')
  for paragraph in ((top or '') .. '\n\n'):gmatch('(.-)\n[ \t]*\n+') do
    local address, words = paragraph:sub(1, MOST_STATUS):match('^%s*<([^<>%s]+@[^<>%s]+)>:%s*(.*)$')
    if address then groups[#groups + 1] = failed(address, words) end
  end
  if not top then
    for address in (header or ''):sub(1, MOST_STATUS):gmatch('[^%s,<>]+@[^%s,<>]+') do
      groups[#groups + 1] = failed(address, '')
    end
  end
  if #groups > 0 then
    return table.concat(groups, '\n', 1, math.min(#groups, MOST_RECIPIENTS)), message_id_in(text)
  end
end

local function report_of(task)
  local from = task:get_from('smtp') or {}
  if task:get_user() or (from[1] and (from[1].addr or '') ~= '') then return nil end
  local is_report = (task:get_header('Content-Type') or ''):lower():find('^%s*multipart/report')
  local status, original, text
  for _, part in ipairs(task:get_parts() or {}) do
    local main, sub = part:get_type()
    local kind = string.format('%s/%s', main or '', sub or ''):lower()
    if is_report and STATUSES[kind] and not status then
      status = tostring(part:get_content()):sub(1, MOST_STATUS)
    elseif ORIGINALS[kind] and not original then
      original = message_id_in(beginning_of(part))
    elseif kind == 'text/plain' and not text then
      text = beginning_of(part)
    end
  end
  if not status and text then
    local below
    status, below = told_in(text, task:get_header('X-Failed-Recipients'))
    original = original or below
  end
  if status and original and #original <= 250 then return { original, status } end
end

rspamd_config.QZ_REPORT = {
  callback = function(task)
    local ran, found = pcall(report_of, task)
    if not ran or not found then return false end
    local encode = require('rspamd_util').encode_base64
    return true, 1.0, tostring(encode(found[1])), tostring(encode(found[2]))
  end,
  score = 0.0, group = 'quazzar', description = 'A report about a mail',
}
