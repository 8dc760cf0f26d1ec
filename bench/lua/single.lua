-- The same request again and again. Arguments: the expected status, the method, the body.

local note_wrong = require "outcome"
local expected

function init(arguments)
    expected = tonumber(arguments[1])
    wrk.method = arguments[2]
    wrk.body = arguments[3]
end

function response(status, _, body)
    if status ~= expected then
        note_wrong(status, body)
    end
end
