-- KEYS: the bucket's generation, then entries. ARGV: 1 the longest value, 2 after how many bytes to stop.
-- For each key 0 (nothing), 1 (nothing of ours) or { its time in milliseconds or -1, the entry as it is }.
-- The form of an entry is in form.rs.
local HEAD, longest, budget = 26, tonumber(ARGV[1]), tonumber(ARGV[2])
local generation = redis.call('TYPE', KEYS[1]).ok == 'string' and redis.call('GETRANGE', KEYS[1], 0, 8)
local found, bytes = {}, 0
for number = 2, #KEYS do
  local entry, seen = KEYS[number], 0
  local kind = redis.call('TYPE', entry).ok
  if kind == 'string' and redis.call('STRLEN', entry) <= HEAD + longest then
    local whole = redis.call('GET', entry)
    if #whole < HEAD or whole:sub(1, 1) ~= '\1' then
      seen = 1
    elseif whole:sub(3, 10) == generation then
      seen = { redis.call('PTTL', entry), whole }
      bytes = bytes + #whole
    end
  elseif kind ~= 'none' then
    seen = 1
  end
  found[#found + 1] = seen
  if bytes >= budget then break end
end
return found
