-- What wrk sends, and one line of numbers for the bench to read.
--
-- Arguments: method, path, the highest id, body, then headers as "name: value". Each request has a random id where the path
-- says `{id}`, and a random number of nine digits where the body says `{number}`; all else is put together once, so that
-- the generator takes as little of the machine as it can.

local head, middle, tail, ids

-- What stands before and behind the first `mark` in `text`.
local function split(text, mark)
  local at = text:find(mark, 1, true)
  if at then return text:sub(1, at - 1), text:sub(at + #mark) end
  return text
end

function init(args)
  local method, path, body = args[1], args[2], args[4]
  for i = 5, #args do
    local name, value = args[i]:match("^(.-): (.*)$")
    wrk.headers[name] = value
  end
  ids = tonumber(args[3])
  if body == "" then body = nil end
  -- As long as a number, for the header Content-Length.
  local number = ("\2"):rep(9)
  body = body and body:gsub("{number}", number)
  head, middle = split(wrk.format(method, (path:gsub("{id}", "\1")), wrk.headers, body), "\1")
  if middle then middle, tail = split(middle, number) end
  math.randomseed(tonumber(tostring(wrk.thread):match("0x(%x+)"), 16) or 1)
end

function request()
  if tail then return head .. math.random(ids) .. middle .. math.random(100000000, 999999999) .. tail end
  if middle then return head .. math.random(ids) .. middle end
  return head
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("numbers %d %d %d %d %d %d\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
