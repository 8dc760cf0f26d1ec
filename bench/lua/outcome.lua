-- What every script shares: counting wrong answers, and one line of JSON at the end.
-- wrk runs a script once for itself, which calls `setup` and `done`, and once in each of its
-- threads, which call the rest. Globals of a thread are read through `thread:get`.

local threads = {}

wrong = 0
first_wrong = ""

function setup(thread)
    threads[#threads + 1] = thread
end

local function note_wrong(status, body)
    wrong = wrong + 1
    if first_wrong == "" then
        first_wrong = status .. " " .. body:sub(1, 200):gsub("%s+", " ")
    end
end

-- A string as JSON; what is neither printable nor ASCII becomes a question mark.
local function quoted(text)
    return '"' .. text:gsub("[^\32-\126]", "?"):gsub('[\\"]', "\\%0") .. '"'
end

function done(summary, latency)
    local count, example = 0, ""
    for _, thread in ipairs(threads) do
        count = count + thread:get("wrong")
        if example == "" then
            example = thread:get("first_wrong")
        end
    end
    local errors = summary.errors
    io.write(string.format(
        '{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "wrong": %d, '
            .. '"first_wrong": %s, "unanswered": %d, "timeouts": %d}\n',
        summary.requests, summary.duration,
        latency:percentile(50), latency:percentile(99),
        count, quoted(example),
        errors.connect + errors.read + errors.write, errors.timeout
    ))
end

return note_wrong
