# Strings: a text is made, taken apart, searched by regular expressions, and put together again.
import re

lines = []
for n in range(9000):
    lines.append("%05d;user%d@example%d.org;%s;%.2f" % (n, n * 7 % 501, n % 17, "abc def ghi"[n % 9 :], n / 7))
text = "\n".join(lines)
mail = re.compile(r"([a-z]+)(\d+)@([a-z]+\d)\.org")
users = {}
total = 0
for line in text.split("\n"):
    number, address, words, amount = line.split(";")
    match = mail.match(address)
    if match:
        users[match.group(2)] = match.group(1).upper() + match.group(3).title()
    total += len(words.replace(" ", "_").strip("a")) + int(number) % 3
    if amount.endswith("5"):
        total += int(amount.partition(".")[2])
joined = ",".join(name[::-1] for name in sorted(users.values()))
upper = "".join(c if c.isdigit() else c.upper() for c in text[:60000])
print(total, len(users), joined.count("elp"), upper.find("USER500"), len(re.findall(r"\d+\.\d5", text)))
