-- The calls of the Docker Engine API that Quazzar makes. What is not listed here is refused, and so is a container, a
-- volume, a network or a command with a setting that Quazzar does not use.
local json = require "json"

local PROJECT = os.getenv("PROJECT") or "quazzar-mail"
assert(PROJECT:match("^[A-Za-z0-9][A-Za-z0-9_.-]*$"), "PROJECT is not a name")
local P = PROJECT:gsub("%.", "\\.")
local NAME = P .. "-[A-Za-z0-9_.-]+"
-- Without a version, Docker assumes its newest; before 1.40, starting a container takes settings, too.
local V = "/v1\\.[4-9][0-9]"
local IMAGE = "(?:[A-Za-z0-9._/:@-]|%40|%3A)+"

-- What a container may have; see mailboxes/engine/bodies.py.
local CAPABILITIES = {
    CHOWN = true, DAC_OVERRIDE = true, FOWNER = true, FSETID = true, KILL = true, NET_BIND_SERVICE = true, SETGID = true,
    SETUID = true, SYS_CHROOT = true,
}

local function set(words)
    local found = {}
    for word in words:gmatch("%S+") do found[word] = true end
    return found
end

-- Bytes of a body that is checked; ours have a few thousand.
local LARGEST = 128 * 1024

local CONTAINER = set("Image Hostname Env Labels ExposedPorts StopTimeout HostConfig NetworkingConfig Cmd Healthcheck")
local HOST = set("Mounts PortBindings NetworkMode RestartPolicy AutoRemove LogConfig Init Memory PidsLimit CapDrop CapAdd SecurityOpt")
local MOUNT = set("Type Source Target ReadOnly VolumeOptions")
local VOLUME = set("Name Driver DriverOpts Labels")
local NETWORK = set("Name Driver Options IPAM CheckDuplicate Labels")
local COMMAND = set("Container User Privileged Tty AttachStdin AttachStdout AttachStderr Cmd")

local function matches(text, pattern)
    return type(text) == "string" and ngx.re.match(text, "^(?:" .. pattern .. ")$", "jo") ~= nil
end

local function only(object, allowed)
    if type(object) ~= "table" then return false end
    for name in pairs(object) do
        if not allowed[name] then return false end
    end
    return true
end

local function empty(value)
    return value == nil or value == json.null or (type(value) == "table" and next(value) == nil)
end

local function our_network(name)
    return name == PROJECT or name == "bridge" or name == "none" or matches(name, NAME)
end

local function our_container(body)
    local host = body.HostConfig
    if not only(body, CONTAINER) or not only(host, HOST) then return false end
    if type(host.CapDrop) ~= "table" or host.CapDrop[1] ~= "ALL" then return false end
    if type(host.SecurityOpt) ~= "table" or #host.SecurityOpt ~= 1 then return false end
    if host.SecurityOpt[1] ~= "no-new-privileges:true" then return false end
    for _, capability in pairs(host.CapAdd or {}) do
        if not CAPABILITIES[capability] then return false end
    end
    for _, mount in pairs(host.Mounts or {}) do
        if not only(mount, MOUNT) or mount.Type ~= "volume" or not matches(mount.Source, NAME) then return false end
        if mount.VolumeOptions and not only(mount.VolumeOptions, set("Labels")) then return false end
    end
    if not our_network(host.NetworkMode) or (host.LogConfig or {}).Type ~= "json-file" then return false end
    if not only(body.NetworkingConfig or {}, set("EndpointsConfig")) then return false end
    for network, options in pairs((body.NetworkingConfig or {}).EndpointsConfig or {}) do
        if not our_network(network) or not only(options, set("Aliases")) then return false end
    end
    local named = ngx.req.get_uri_args()
    return matches(named.name, NAME)
end

local function our_volume(body)
    local driver = empty(body.Driver) or body.Driver == "local"
    return only(body, VOLUME) and matches(body.Name, NAME) and driver and empty(body.DriverOpts)
end

local function our_network_body(body)
    local name = body.Name == PROJECT or matches(body.Name, NAME)
    return only(body, NETWORK) and name and body.Driver == "bridge" and empty(body.Options) and empty(body.IPAM)
end

local function our_command(body)
    return only(body, COMMAND) and body.Privileged ~= true
end

local function from_a_registry()
    local named = ngx.req.get_uri_args()
    return matches(named.fromImage, IMAGE) and named.fromSrc == nil
end

local M = {}

-- Method, path, and a check: of the query, or (if it takes one) of the body.
M.calls = {
    -- the Engine
    { "GET", "/version" },
    { "GET", V .. "/info" },
    -- images: whether one is here, what its registry has, fetching it
    { "GET", V .. "/images/" .. IMAGE .. "/json" },
    { "GET", V .. "/distribution/" .. IMAGE .. "/json" },
    { "POST", V .. "/images/create", query = from_a_registry },
    -- networks
    { "GET", V .. "/networks" },
    { "POST", V .. "/networks/create", body = our_network_body },
    { "GET", V .. "/networks/" .. P .. "(?:-[A-Za-z0-9_.-]+)?" },
    { "DELETE", V .. "/networks/" .. P .. "(?:-[A-Za-z0-9_.-]+)?" },
    -- volumes
    { "GET", V .. "/volumes" },
    { "POST", V .. "/volumes/create", body = our_volume },
    { "GET", V .. "/volumes/" .. NAME },
    { "DELETE", V .. "/volumes/" .. NAME },
    -- containers
    { "GET", V .. "/containers/json" },
    { "POST", V .. "/containers/create", body = our_container },
    { "GET", V .. "/containers/" .. NAME .. "/json" },
    { "GET", V .. "/containers/" .. NAME .. "/logs" },
    { "POST", V .. "/containers/" .. NAME .. "/start" },
    { "POST", V .. "/containers/" .. NAME .. "/stop" },
    { "POST", V .. "/containers/" .. NAME .. "/restart" },
    { "POST", V .. "/containers/" .. NAME .. "/pause" },
    { "POST", V .. "/containers/" .. NAME .. "/unpause" },
    { "DELETE", V .. "/containers/" .. NAME },
    { "GET", V .. "/containers/" .. NAME .. "/archive" },
    { "PUT", V .. "/containers/" .. NAME .. "/archive" },
    -- commands in them: the id has 256 random bits, and only who made the command knows it
    { "POST", V .. "/containers/" .. NAME .. "/exec", body = our_command },
    { "POST", V .. "/exec/[0-9a-f]{64}/start" },
    { "GET", V .. "/exec/[0-9a-f]{64}/json" },
}

local function body_is(wanted)
    ngx.req.read_body()
    local text = ngx.req.get_body_data()
    if not text or #text > LARGEST then return false end
    local length = tonumber(ngx.var.http_content_length)
    if length and length ~= #text then return false end
    local good, body = pcall(json.parse, text)
    return good and type(body) == "table" and wanted(body)
end

local function allowed()
    -- As it was sent, not decoded: Docker decodes it once more.
    local path = ngx.var.request_uri:gsub("%?.*$", "")
    if path:find("..", 1, true) or path:find("//", 1, true) then return false end
    -- Docker reads a form's fields like those of the address.
    local kind = (ngx.var.http_content_type or ""):lower()
    if kind:find("form", 1, true) or ngx.var.http_content_encoding then return false end
    for _, call in ipairs(M.calls) do
        if ngx.req.get_method() == call[1] and matches(path, call[2]) then
            return (not call.query or call.query()) and (not call.body or body_is(call.body))
        end
    end
    return false
end

function M.check()
    local good, passes = pcall(allowed)
    if not (good and passes) then
        if not good then ngx.log(ngx.ERR, passes) end
        ngx.status = ngx.HTTP_FORBIDDEN
        ngx.header.content_type = "application/json"
        ngx.say('{"message": "The socket proxy of Quazzar does not allow this call."}')
        return ngx.exit(ngx.HTTP_FORBIDDEN)
    end
end

return M
