-- KEYS: the entry, the bucket's generation. ARGV: 1 what to do, 2 a generation if there is none yet, 3 the version,
-- 4 whether it is endless ('0', '1'), 5 milliseconds to its end, 6 how long it is kept past it (8 bytes),
-- 7 the condition ('a', 'n', 'v'), 8 the version of the condition, 9 whether the time stays ('0', '1'),
-- 10 milliseconds that an endless one is kept, 11 the longest value, 12 the value, or what is added.
-- The form of an entry is in form.rs.
local entry, HEAD = KEYS[1], 26

local generation = redis.call('TYPE', KEYS[2]).ok == 'string' and redis.call('GETRANGE', KEYS[2], 0, 8)
if not generation or #generation ~= 8 then
  generation = ARGV[2]
  redis.call('SET', KEYS[2], generation)
end

-- The head of the live entry, and what is left of its time; -1 for one without an end.
local function live()
  if redis.call('TYPE', entry).ok ~= 'string' then return nil end
  local head = redis.call('GETRANGE', entry, 0, HEAD - 1)
  if #head < HEAD or head:sub(1, 1) ~= '\1' or head:sub(3, 10) ~= generation then return nil end
  local left = redis.call('PTTL', entry)
  -- Somebody may have taken its time away.
  if head:sub(2, 2) == '1' or left == -1 then return head, -1 end
  left = left - struct.unpack('<I8', head:sub(19, 26))
  if left <= 0 then return nil end
  return head, left
end

-- Writes it, and returns what is left of its time.
local function store(endless, left, stale, value)
  local keep = left + struct.unpack('<I8', stale)
  if endless == '1' then keep = tonumber(ARGV[10]) end
  if keep <= 0 then
    redis.call('UNLINK', entry)
  else
    local whole = '\1' .. endless .. generation .. ARGV[3] .. stale .. value
    redis.call('SET', entry, whole, 'PX', string.format('%.0f', keep))
  end
  if endless == '1' then return -1 end
  return left
end

local what, endless, left, stale = ARGV[1], ARGV[4], tonumber(ARGV[5]), ARGV[6]
local head, left_there = live()

if what == 'put' then
  if ARGV[7] == 'n' and head then return { 'conflict' } end
  if ARGV[7] == 'v' and not (head and head:sub(11, 18) == ARGV[8]) then return { 'conflict' } end
  if ARGV[9] == '1' and head then
    if left_there == -1 then endless, left = '1', 0 else endless, left = '0', left_there end
  end
  return { 'stored', store(endless, left, stale, ARGV[12]) }
elseif what == 'take' or what == 'delete' then
  local value = ''
  if head and what == 'take' then
    if redis.call('STRLEN', entry) > HEAD + tonumber(ARGV[11]) then
      head = nil
    else
      value = redis.call('GETRANGE', entry, HEAD, -1)
    end
  end
  redis.call('UNLINK', entry)
  if head then return { 'removed', value } end
  return { 'absent' }
elseif what == 'touch' then
  if not head then return { 'absent' } end
  if ARGV[9] == '1' then return { 'stored', left_there } end
  redis.call('SETRANGE', entry, 1, endless)
  redis.call('SETRANGE', entry, 18, stale)
  local keep = left + struct.unpack('<I8', stale)
  if endless == '1' then keep, left = tonumber(ARGV[10]), -1 end
  redis.call('PEXPIRE', entry, string.format('%.0f', keep))
  return { 'stored', left }
elseif what == 'increment' then
  local before = '0'
  if head then
    if redis.call('STRLEN', entry) > HEAD + 20 then return { 'not-a-number' } end
    before = redis.call('GETRANGE', entry, HEAD, -1)
    stale = head:sub(19, 26)
    if left_there == -1 then endless, left = '1', 0 else endless, left = '0', left_there end
  end
  local whole, keep
  if head then whole, keep = redis.call('GET', entry), redis.call('PTTL', entry) end
  -- Numbers of scripts have 53 bits, those of Redis 64: so it adds, and the entry is a plain number for this moment.
  redis.call('SET', entry, before)
  local added = redis.pcall('INCRBY', entry, ARGV[12])
  if type(added) == 'table' then
    if not head then
      redis.call('UNLINK', entry)
    elseif keep > 0 then
      redis.call('SET', entry, whole, 'PX', keep)
    else
      redis.call('SET', entry, whole)
    end
    return { 'not-a-number' }
  end
  local sum = redis.call('GET', entry)
  return { 'stored', store(endless, left, stale, sum), sum }
elseif what == 'restore' then
  if head and head:sub(11, 18) == ARGV[3] then return { 'stored', left_there } end
  if redis.call('EXISTS', entry) == 1 then
    redis.call('UNLINK', entry)
    return { 'absent' }
  end
  return { 'stored', store(endless, left, stale, ARGV[12]) }
end
return redis.error_reply('ERR no such operation')
