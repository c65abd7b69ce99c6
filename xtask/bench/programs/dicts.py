# Dictionaries, sets and sorting: words are counted, grouped and looked up again.
seed = 12345


def random(below):
    global seed
    seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
    return (seed >> 8) % below


words = ["w%d" % (random(30) * random(60)) for _ in range(60000)]
count = {}
for word in words:
    count[word] = count.get(word, 0) + 1
places = {}
for place, word in enumerate(words):
    places.setdefault(word, []).append(place)
pairs = {}
for pair in zip(words, words[1:]):
    pairs[pair] = pairs.get(pair, 0) + 1
common = sorted(count.items(), key=lambda item: (-item[1], item[0]))[:20]
rare = {word for word in count if count[word] < 10}
gaps = {word: max(b - a for a, b in zip(at, at[1:])) for word, at in places.items() if len(at) > 1}
print(common)
print(len(rare), len(pairs), sum(gaps.values()))
