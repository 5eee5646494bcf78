-- The requests that wrk sends, and the results as one line of numbers for the benchmark.
--
-- Arguments: method, path, the highest id, body, then headers as "name: value". In each request, `{id}` in
-- the path is replaced with a random id, and `{number}` in the body with a random number of nine digits. The
-- rest is built once, so that the generator uses little CPU time.

local head, middle, tail, ids

-- Returns the parts of `text` before and after the first `mark`.
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
  -- A placeholder as long as a number, so that the header Content-Length is correct.
  local number = ("\2"):rep(9)
  body = body and body:gsub("{number}", number)
  head, middle = split(wrk.format(method, (path:gsub("{id}", "\1")), wrk.headers, body), "\1")
  if middle then middle, tail = split(middle, number) else head, tail = split(head, number) end
  math.randomseed(tonumber(tostring(wrk.thread):match("0x(%x+)"), 16) or 1)
end

function request()
  local text = head
  if middle then text = text .. math.random(ids) .. middle end
  if tail then text = text .. math.random(100000000, 999999999) .. tail end
  return text
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("numbers %d %d %d %d %d %d\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
