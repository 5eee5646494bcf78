-- What wrk sends, and one line of numbers for the bench to read.
--
-- Arguments: method, path, the highest id, body, then headers as "name: value". Each `{id}` in the path becomes a
-- random id; the request is put together once, so that the generator takes as little of the machine as it can.

local head, tail, ids

function init(args)
  local method, path, body = args[1], args[2], args[4]
  for i = 5, #args do
    local name, value = args[i]:match("^(.-): (.*)$")
    wrk.headers[name] = value
  end
  ids = tonumber(args[3])
  if body == "" then body = nil end
  local request = wrk.format(method, (path:gsub("{id}", "\1")), wrk.headers, body)
  local at = request:find("\1", 1, true)
  if at then
    head, tail = request:sub(1, at - 1), request:sub(at + 1)
    math.randomseed(tonumber(tostring(wrk.thread):match("0x(%x+)"), 16) or 1)
  else
    head = request
  end
end

function request()
  if tail then return head .. math.random(ids) .. tail end
  return head
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("numbers %d %d %d %d %d %d\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
