-- Lua: tables, closures, strings and numbers.
local function sieve(n)
  local composite, primes = {}, {}
  for i = 2, n do
    if not composite[i] then
      primes[#primes + 1] = i
      for j = i * i, n, i do composite[j] = true end
    end
  end
  return primes
end

local Account = {}
Account.__index = Account
function Account.new(owner) return setmetatable({ owner = owner, balance = 0.0, moves = {} }, Account) end
function Account:add(amount)
  self.balance = self.balance + amount
  self.moves[#self.moves + 1] = amount
  return self
end

local function counter()
  local n = 0
  return function(by)
    n = (n * 31 + by) % 1000003
    return n
  end
end

local primes = sieve(300000)
local accounts, count = {}, counter()
for i = 1, 200 do accounts[i] = Account.new("owner" .. i) end
for i = 1, 150000 do
  local n = count(i)
  accounts[n % 200 + 1]:add(n / 7 - 50000)
end
table.sort(accounts, function(a, b) return a.balance < b.balance end)
local parts = {}
for i = 1, 20000 do parts[#parts + 1] = string.format("%s:%d", accounts[i % 200 + 1].owner, primes[i]) end
local text = table.concat(parts, ",")
local owners, digits = 0, 0
for owner, number in text:gmatch("owner(%d+):(%d+)") do
  owners = owners + tonumber(owner)
  digits = digits + #number
end
print(#primes, primes[#primes], owners, digits, string.format("%.6f", accounts[1].balance))
