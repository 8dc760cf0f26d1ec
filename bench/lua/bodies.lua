-- Bodies of requests that do not compress, as a database or its disk would profit from that.

local POOL = 256 -- texts, so that none comes again within the window of a compressor
local LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

local function random_text(length)
    local letters = {}
    for number = 1, length do
        local which = math.random(#LETTERS)
        letters[number] = LETTERS:sub(which, which)
    end
    return table.concat(letters)
end

-- Return a function that gives requests in turn, with random text for each run of x in the body.
return function(method, path, body)
    local requests, last = {}, 0
    local _, runs = body:gsub("xx+", "")
    for number = 1, math.ceil(POOL / runs) do
        local varied = body:gsub("xx+", function(run) return random_text(#run) end)
        requests[number] = wrk.format(method, path, nil, varied)
    end
    return function()
        last = last % #requests + 1
        return requests[last]
    end
end
