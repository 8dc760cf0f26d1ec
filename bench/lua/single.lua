-- The same request again and again. Arguments: the expected status, the method, the body.

local note_wrong = require "outcome"
local in_turn = require "bodies"
local expected

function init(arguments)
    expected = tonumber(arguments[1])
    wrk.method = arguments[2]
    if arguments[3] and arguments[3]:find("xx") then
        request = in_turn(arguments[2], wrk.path, arguments[3])
    else
        wrk.body = arguments[3]
    end
end

function response(status, _, body)
    if status ~= expected then
        note_wrong(status, body)
    end
end
