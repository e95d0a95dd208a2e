-- A browser's request whose path, query and 1 KB cookie differ from one request to the next, because
-- a generator that repeats one head flatters every cache between it and the application.
local pool, width, step = {}, 1000, 37
local letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
local head, tail
local count = 0

function init(args)
   math.randomseed(20240229)
   for i = 1, 65536 do
      local at = math.random(#letters)
      pool[i] = letters:sub(at, at)
   end
   pool = table.concat(pool)
   local lines = {}
   for name, value in pairs(wrk.headers) do
      if name ~= "Cookie" then
         lines[#lines + 1] = name .. ": " .. value
      end
   end
   head = " HTTP/1.1\r\n" .. table.concat(lines, "\r\n") .. "\r\nCookie: session="
   tail = "\r\n\r\n"
end

function request()
   count = count + 1
   local at = (count * step) % (#pool - width) + 1
   local path = "/hello/section-" .. count % 97 .. "/item-" .. count .. "?page=" .. count % 13
   return "GET " .. path .. head .. pool:sub(at, at + width - 1) .. tail
end
