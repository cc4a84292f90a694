-- JSON, stricter than usual: a key may occur once and holds no escapes, so that Docker cannot read another key than this.
local M = { null = {} }
local WORDS = { ["true"] = true, ["false"] = false, null = M.null }
local value

local function blank(text, at)
    return text:match("^[ \t\r\n]*()", at)
end

local function str(text, at)
    local finish = at + 1
    while true do
        local stop = text:find('["\\]', finish)
        if not stop then error("a string does not end") end
        if text:sub(stop, stop) == '"' then return text:sub(at + 1, stop - 1), stop + 1 end
        finish = stop + 2
    end
end

local function array(text, at)
    local found = {}
    at = blank(text, at + 1)
    if text:sub(at, at) == "]" then return found, at + 1 end
    while true do
        found[#found + 1], at = value(text, at)
        at = blank(text, at)
        local sign = text:sub(at, at)
        if sign == "]" then return found, at + 1 end
        if sign ~= "," then error("an array is broken") end
        at = blank(text, at + 1)
    end
end

local function object(text, at)
    local found = {}
    at = blank(text, at + 1)
    if text:sub(at, at) == "}" then return found, at + 1 end
    while true do
        local key
        if text:sub(at, at) ~= '"' then error("a key is no string") end
        key, at = str(text, at)
        if key:find("\\", 1, true) or found[key] ~= nil then error("a key is escaped, or occurs twice") end
        at = blank(text, at)
        if text:sub(at, at) ~= ":" then error("a key has no value") end
        found[key], at = value(text, blank(text, at + 1))
        at = blank(text, at)
        local sign = text:sub(at, at)
        if sign == "}" then return found, at + 1 end
        if sign ~= "," then error("an object is broken") end
        at = blank(text, at + 1)
    end
end

function value(text, at)
    local sign = text:sub(at, at)
    if sign == "{" then return object(text, at) end
    if sign == "[" then return array(text, at) end
    if sign == '"' then return str(text, at) end
    local number, after = text:match("^(-?%d+%.?%d*[eE]?[+-]?%d*)()", at)
    if number then return tonumber(number), after end
    local word, rest = text:match("^(%a+)()", at)
    if WORDS[word] == nil then error("this is not JSON") end
    return WORDS[word], rest
end

-- Strings are returned as they were written, escapes and all.
function M.parse(text)
    local found, at = value(text, blank(text, 1))
    if blank(text, at) ~= #text + 1 then error("something follows the value") end
    return found
end

return M
