'use strict';
// shark graph: the script of the page. Each file is a part of one script; they follow each other by their names.
// The data of the page and what follows from it. Nodes have numbers; a level of detail shows some of them.
// A level's vertices are its nodes by their place in `level.nodes`, then its blocks.
const $ = id => document.getElementById(id);
const data = JSON.parse($('data').textContent);
const nodes = data.nodes;
const HEIGHT = data.height;
const KIND = Object.fromEntries(data.kinds.map((name, n) => [name, n]));
const FAINT_KINDS = new Set([KIND.start]);
const DASHES = {[KIND.start]: [1.5, 4], [KIND.control]: [6, 4], [KIND.same]: [6, 4], [KIND.list]: [6, 4]};
const isProgram = node => data.sorts[node.s] === 'process';

// Everything about a level that is needed often, worked out when the level is first shown.
function prepare(level) {
  if (level.ready) return level;
  const count = level.nodes.length;
  level.count = count;
  level.x = new Float32Array(count);
  level.y = new Float32Array(count);
  level.w = new Float32Array(count);
  for (let n = 0; n < count; n++) {
    level.x[n] = level.boxes[3 * n];
    level.y[n] = level.boxes[3 * n + 1];
    level.w[n] = level.boxes[3 * n + 2];
  }
  level.place = new Int32Array(nodes.length).fill(-1);  // node -> its place in the level
  level.nodes.forEach((node, place) => { level.place[node] = place; });
  level.nodes.forEach((node, place) => {
    for (const member of nodes[node].m || []) level.place[member] = place;
  });
  level.vertex = Int32Array.from(level.nodes, (_, place) => place);
  level.members.forEach((block, n) => { for (const place of block) level.vertex[place] = count + n; });
  level.before = level.nodes.map(() => []);
  level.after = level.nodes.map(() => []);
  for (let n = 0; n < level.edges.length; n += 3) {
    const a = level.place[level.edges[n]], b = level.place[level.edges[n + 1]];
    level.after[a].push([b, level.edges[n + 2]]);
    level.before[b].push([a, level.edges[n + 2]]);
  }
  level.lines = level.routes.map(route => line(route));
  // A grid of cells, by which the node under the pointer and those on the screen are found.
  level.cells = new Map();
  for (let n = 0; n < count; n++) {
    for (const key of cellsOf(level.x[n], level.y[n], level.x[n] + level.w[n], level.y[n] + HEIGHT)) {
      if (!level.cells.has(key)) level.cells.set(key, []);
      level.cells.get(key).push(n);
    }
  }
  level.ready = true;
  return level;
}

function line([source, target, kind, ...points]) {
  let top = Infinity, bottom = -Infinity, left = Infinity, right = -Infinity;
  for (let n = 0; n < points.length; n += 2) {
    left = Math.min(left, points[n]);
    right = Math.max(right, points[n]);
    top = Math.min(top, points[n + 1]);
    bottom = Math.max(bottom, points[n + 1]);
  }
  return {source, target, kind, points, left, right, top, bottom};
}

const CELL = 400;
function* cellsOf(left, top, right, bottom) {
  for (let x = Math.floor(left / CELL); x <= Math.floor(right / CELL); x++) {
    for (let y = Math.floor(top / CELL); y <= Math.floor(bottom / CELL); y++) yield x * 1e6 + y;
  }
}

function nodeAt(level, x, y) {
  for (const n of level.cells.get(Math.floor(x / CELL) * 1e6 + Math.floor(y / CELL)) || []) {
    if (x >= level.x[n] && x <= level.x[n] + level.w[n] && y >= level.y[n] && y <= level.y[n] + HEIGHT) return n;
  }
  return -1;
}

// What the data of a node came from and what came of it. Who started whom is followed only where it is asked for.
function flow(level, start) {
  const seen = new Uint8Array(level.count);
  for (const [near, mark] of [[level.before, 1], [level.after, 2]]) {
    const stack = [start];
    const been = new Uint8Array(level.count);
    while (stack.length) {
      const place = stack.pop();
      if (been[place]) continue;
      been[place] = 1;
      seen[place] |= mark;
      for (const [other, kind] of near[place]) if (!FAINT_KINDS.has(kind)) stack.push(other);
    }
  }
  return seen;
}

// Texts to search in, put together at the first search.
let texts = null;
function find(words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  if (!wanted.length) return [];
  texts = texts || nodes.map(node => [node.l, node.n, ...node.d.map(fact => fact[1])].join('\n').toLowerCase());
  const found = [];
  nodes.forEach((node, n) => {
    if (!node.m && wanted.every(word => texts[n].includes(word))) found.push(n);
  });
  // Names before all else, and the things of the run before those of the system.
  const rank = n => (nodes[n].l.toLowerCase().includes(wanted[0]) ? 0 : 2) + (data.sorts[nodes[n].s] === 'system' ? 1 : 0);
  const ranks = new Map(found.map(n => [n, rank(n)]));
  return found.sort((a, b) => ranks.get(a) - ranks.get(b) || a - b);
}
