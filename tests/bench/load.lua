-- wrk's request source. Arguments: <kind> <seed> <file>; each line of the file is a request path; with
-- kind "buy" they are POSTed, with "mix" 5 of 100 are POSTs to /buy/<id of the path>.
-- Every thread draws from the file with a seed of its own. Requests are made before the clock runs, and
-- answers are only counted (wrk counts those that are not 2xx or 3xx): the client takes its share of the
-- same cores, so it does as little as it can.
local threads, reads, buys, kind = 0, {}, {}, "get"

function setup(thread)
   thread:set("number", threads)
   threads = threads + 1
end

function init(args)
   kind = args[1]
   math.randomseed(tonumber(args[2]) + number)
   for path in io.lines(args[3]) do
      if kind ~= "buy" then
         table.insert(reads, wrk.format("GET", path))
      end
      if kind ~= "get" then
         table.insert(buys, wrk.format("POST", (path:gsub("^/info/", "/buy/"))))
      end
   end
end

function request()
   local from = reads
   if kind == "buy" or (kind == "mix" and math.random(100) <= 5) then
      from = buys
   end
   return from[math.random(#from)]
end

function done(summary, latency)
   local e = summary.errors
   local broken = e.connect + e.read + e.write
   io.write(string.format("RESULT %d %d %d %d %d %d %d %d\n", summary.requests, summary.duration,
                          e.status + broken + e.timeout, latency:percentile(50), latency:percentile(99),
                          e.status, broken, e.timeout))
end
