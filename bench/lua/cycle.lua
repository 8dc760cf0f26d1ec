-- Post, claim and delete, over and over. Arguments: the bodies of a post and of a claim, the
-- number of messages in each; with more than one the deletion is a bulk deletion.
--
-- wrk does not tell a script which connection a request is for. So an answer leaves behind what
-- is to be done next, and the next connection that is free does it: an answered post one
-- claim, an answered claim one deletion. Nothing is claimed before it was posted, hence an
-- empty claim is a fault of the server. It has the same status as a deletion; the harness finds
-- it by the messages that are left over.

local note_wrong = require "outcome"
local in_turn = require "bodies"
local post, claim
local size
local claims_due, deletions_due, deletions_sent = 0, {}, 0

function init(arguments)
    local path = wrk.path
    post = in_turn("POST", path .. "/messages", arguments[1])
    size = tonumber(arguments[3])
    claim = wrk.format("POST", path .. "/claims?limit=" .. size, nil, arguments[2])
end

function request()
    if #deletions_due > 0 then
        deletions_sent = deletions_sent + 1
        return wrk.format("DELETE", table.remove(deletions_due))
    elseif claims_due > 0 then
        claims_due = claims_due - 1
        return claim
    end
    return post()
end

-- The path that deletes what a claim answered with.
local function deletion(body)
    if size == 1 then
        return body:match('"href": "([^"]+)"')
    end
    local ids = {}
    for id in body:gmatch('"href": "[^"]+/messages/([%w_-]+)%?') do
        ids[#ids + 1] = id
    end
    return wrk.path .. "/messages?ids=" .. table.concat(ids, ",")
end

function response(status, _, body)
    if status == 201 and body:sub(1, 1) == "[" then
        deletions_due[#deletions_due + 1] = deletion(body)
    elseif status == 201 then
        claims_due = claims_due + 1
    elseif status == 204 and deletions_sent > 0 then
        deletions_sent = deletions_sent - 1
    else
        note_wrong(status, body)
    end
end
