-- wrk's script: the request is the command line's, or a POST of BENCH_BODY bytes; the sums come out as
-- one line of JSON, because wrk's own report rounds them.
local size = tonumber(os.getenv("BENCH_BODY") or "0")
if size > 0 then
   wrk.method = "POST"
   wrk.body = string.rep("x", size)
   wrk.headers["Content-Type"] = "application/octet-stream"
end

function done(summary)
   local e = summary.errors
   print(string.format(
      'SUMS {"requests": %d, "bytes": %d, "errors": %d, "refusals": %d}',
      summary.requests, summary.bytes, e.connect + e.read + e.write + e.timeout, e.status))
end
