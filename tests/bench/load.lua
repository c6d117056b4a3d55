-- wrk's request source. Arguments: <kind> <seed> <file>; each line of the file is a request path; with
-- kind "buy" they are POSTed, with "mix" 5 of 100 are POSTs to /buy/<id of the path>.
-- Every thread draws from the file with a seed of its own. Prints the answers that were not 200.
local threads, paths, kind = {}, {}, "get"

function setup(thread)
   thread:set("number", #threads)
   table.insert(threads, thread)
end

function init(args)
   kind = args[1]
   math.randomseed(tonumber(args[2]) + number)
   for line in io.lines(args[3]) do
      table.insert(paths, line)
   end
   other, hits = 0, 0
end

function request()
   local path = paths[math.random(#paths)]
   if kind == "buy" or (kind == "mix" and math.random(100) <= 5) then
      return wrk.format("POST", (path:gsub("^/info/", "/buy/")))
   end
   return wrk.format("GET", path)
end

function response(status, headers)
   if status ~= 200 then
      other = other + 1
   end
end

function done(summary, latency)
   local bad = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
   for _, thread in ipairs(threads) do
      bad = bad + thread:get("other")
   end
   io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration,
                          bad, latency:percentile(50), latency:percentile(99)))
end
