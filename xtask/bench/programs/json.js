// Node.js: JSON, regular expressions, maps and closures.
"use strict";

let seed = 7;
const random = (below) => {
  seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
  return (seed >>> 8) % below;
};

const records = Array.from({ length: 6000 }, (_, id) => ({
  id,
  name: `user${random(5000)}`,
  tags: Array.from({ length: random(6) }, () => `tag-${random(40)}`),
  at: { x: random(1000) / 8, y: random(1000) / 16 },
}));
let text = JSON.stringify(records);
let sum = 0;
for (let round = 0; round < 8; round++) {
  const copy = JSON.parse(text);
  for (const record of copy) record.at.x += round;
  sum += copy.reduce((all, { at }) => all + at.x * at.y, 0);
  text = JSON.stringify(copy, (key, value) => (key === "tags" ? [...new Set(value)].sort() : value));
}
const groups = new Map();
for (const match of text.matchAll(/"name":"user(\d+)","tags":\[("tag-(\d+)"[^\]]*)?\]/g)) {
  const key = match[3] ?? "none";
  groups.set(key, (groups.get(key) ?? 0) + Number(match[1]));
}
const words = text.replace(/[^a-z]+/g, " ").split(" ");
const counts = words.reduce((all, word) => all.set(word, (all.get(word) ?? 0) + 1), new Map());
console.log(sum, groups.size, groups.get("none"), counts.get("tag"), text.length);
