-- load.lua - the load that wrk puts on florind and on limit_echo.
--
--     wrk -t1 -c64 -d5s --latency -s bench/load.lua http://127.0.0.1:5000 -- MODE ACCOUNTS RUN
--
-- MODE      deposit: a durable deposit of 1.00, each with an Idempotency-Key of its own
--           read:    a balance
--           transfer: a durable transfer of 1.00 between two of the accounts, likewise
--           hot:     a deposit, all of them on one account
-- ACCOUNTS  how many accounts, named bench0 to bench<N-1>; one is drawn for each request
-- RUN       a number that differs from run to run on one data directory, so that keys do
--
-- The last line printed is for scripts:
--     load requests=N seconds=S per_second=R p50_us=A p99_us=B errors=E
-- where errors are answers outside of 2xx and failed sockets.

local threads = 0

function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
end

local body = '{"type":"Deposit","amount":1.00}'
local transfer = '{"from":"bench%d","to":"bench%d","amount":1.00}'
local before_path, between, after_key, mode, accounts, prefix, before_length
local counter = 0
local random = math.random
local format = string.format

function init(arguments)
    mode = arguments[1] or "deposit"
    accounts = tonumber(arguments[2] or "1000")
    prefix = format("%04x%02x", tonumber(arguments[3] or "0") % 65536, number % 256)
    math.randomseed(number * 7919 + tonumber(arguments[3] or "0"))
    local host = " HTTP/1.1\r\nHost: " .. wrk.host .. "\r\n"
    if mode == "read" then
        before_path = "GET /accounts/bench"
        between = "/balance" .. host .. "\r\n"
    elseif mode == "transfer" then
        before_length = "POST /transfers" .. host .. "Content-Type: application/json\r\n"
            .. "Idempotency-Key: " .. prefix
    else
        before_path = "POST /accounts/bench"
        between = "/transactions" .. host .. "Content-Type: application/json\r\nContent-Length: "
            .. #body .. "\r\nIdempotency-Key: " .. prefix
        after_key = "\r\n\r\n" .. body
    end
end

function request()
    local account = random(0, accounts - 1)
    if mode == "read" then
        return before_path .. account .. between
    end
    counter = counter + 1
    if mode == "transfer" then
        local to = (account + random(1, accounts - 1)) % accounts
        local text = format(transfer, account, to)
        return before_length .. format("%010x\r\nContent-Length: %d\r\n\r\n", counter, #text) .. text
    end
    if mode == "hot" then
        account = 0
    end
    return before_path .. account .. between .. format("%010x", counter) .. after_key
end

function done(summary, latency)
    local errors = summary.errors
    local seconds = summary.duration / 1e6
    io.write(format("load requests=%d seconds=%.2f per_second=%.0f p50_us=%d p99_us=%d errors=%d\n",
        summary.requests, seconds, summary.requests / seconds,
        latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
