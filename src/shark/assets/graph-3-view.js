// Moving over the picture: pan, zoom, fit, and choosing a node.
const NEAREST = 2.5;
const calm = matchMedia('(prefers-reduced-motion: reduce)');

function resize() {
  const ratio = devicePixelRatio || 1, box = $('stage').getBoundingClientRect();
  view.width = box.width;
  view.height = box.height;
  canvas.width = Math.round(box.width * ratio);
  canvas.height = Math.round(box.height * ratio);
  redraw();
}

function farthest() {
  const [w, h] = view.level.size;
  return Math.min(view.width / (w + 80), view.height / (h + 80), 1) * 0.8;
}

function zoom(factor, x = view.width / 2, y = view.height / 2) {
  const scale = Math.min(Math.max(view.scale * factor, farthest()), NEAREST);
  view.x = x - (x - view.x) * scale / view.scale;
  view.y = y - (y - view.y) * scale / view.scale;
  view.scale = scale;
  redraw(true);
}

function pan(x, y) {
  view.x += x;
  view.y += y;
  redraw(true);
}

function fit() {
  const [w, h] = view.level.size;
  view.scale = Math.min((view.width - 48) / w, (view.height - 84) / h, 1.3);
  view.x = (view.width - w * view.scale) / 2;
  view.y = Math.max((view.height - 30 - h * view.scale) / 2, 24);
  redraw();
}

// The first look at a level: all of it if that can be read, else the chosen node, else the beginning.
function begin() {
  fit();
  if (view.scale >= 0.3) return;
  view.scale = 0.75;
  const first = view.chosen >= 0 ? view.chosen : Math.max(0, view.level.nodes.findIndex(n => isProgram(nodes[n])));
  centre(first, false);
}

let flight = 0;
function centre(n, glide = true) {
  const level = view.level;
  const scale = Math.max(view.scale, 0.6);
  const x = view.width / 2 - (level.x[n] + level.w[n] / 2) * scale;
  const y = view.height / 2 - (level.y[n] + HEIGHT / 2) * scale;
  cancelAnimationFrame(flight);
  if (!glide || calm.matches) {
    Object.assign(view, {x, y, scale});
    redraw();
    return;
  }
  const from = {x: view.x, y: view.y, scale: view.scale}, began = performance.now();
  const step = now => {
    const t = Math.min((now - began) / 220, 1), part = t * (2 - t);
    view.x = from.x + (x - from.x) * part;
    view.y = from.y + (y - from.y) * part;
    view.scale = from.scale + (scale - from.scale) * part;
    redraw(t < 1);
    if (t < 1) flight = requestAnimationFrame(step);
  };
  flight = requestAnimationFrame(step);
}

function onScreen(n) {
  const x = toX(view.level.x[n]), y = toY(view.level.y[n]), w = view.level.w[n] * view.scale;
  return x > 0 && y > 0 && x + w < view.width && y + HEIGHT * view.scale < view.height && view.scale > 0.3;
}

// Choose the node at a place of the level (-1: none). `node`: the very one meant, where the place stands for several.
function choose(place, {node = -1, move = true} = {}) {
  view.chosen = place;
  view.flow = place >= 0 ? flow(view.level, place) : null;
  const meant = node >= 0 ? node : place >= 0 ? view.level.nodes[place] : -1;
  tell(meant, place);
  markRow(meant);
  if (place >= 0 && move && !onScreen(place)) centre(place);
  redraw();
}

// Choose a node whatever level shows it: the present one if it can, else the first that does.
function chooseNode(node) {
  let place = view.level.place[node];
  if (place < 0) {
    const n = data.levels.findIndex(level => prepare(level).place[node] >= 0);
    if (n < 0) {
      choose(-1);
      tell(node, -1);
      markRow(node);
      return;
    }
    show(n, false);
    place = view.level.place[node];
  }
  choose(place, {node});
}

// Arrow keys: along the lines, or up and down among what stands in the same column.
function step(key) {
  const level = view.level, n = view.chosen;
  if (n < 0) {
    choose(Math.max(0, level.nodes.findIndex(node => isProgram(nodes[node]))));
    return;
  }
  const middle = place => level.y[place] + HEIGHT / 2;
  if (key === 'ArrowLeft' || key === 'ArrowRight') {
    const near = (key === 'ArrowLeft' ? level.before : level.after)[n].map(([other]) => other);
    if (near.length) choose(near.reduce((a, b) => Math.abs(middle(a) - middle(n)) <= Math.abs(middle(b) - middle(n)) ? a : b));
    return;
  }
  const up = key === 'ArrowUp', centreX = level.x[n] + level.w[n] / 2;
  let best = -1;
  for (let other = 0; other < level.count; other++) {
    const away = middle(other) - middle(n);
    if (up ? away >= -1 : away <= 1) continue;
    if (Math.abs(level.x[other] + level.w[other] / 2 - centreX) > 90) continue;
    if (best < 0 || Math.abs(away) < Math.abs(middle(best) - middle(n))) best = other;
  }
  if (best >= 0) choose(best);
}

const pointers = new Map();
let dragged = 0;

canvas.addEventListener('pointerdown', event => {
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
  dragged = pointers.size > 1 ? 99 : 0;
});
canvas.addEventListener('pointermove', event => {
  const before = pointers.get(event.pointerId), now = [event.offsetX, event.offsetY];
  if (!before) return hover(...now);
  const other = [...pointers].find(([id]) => id !== event.pointerId);
  if (other) {
    const far = point => Math.hypot(point[0] - other[1][0], point[1] - other[1][1]);
    zoom(far(now) / Math.max(far(before), 1), (now[0] + other[1][0]) / 2, (now[1] + other[1][1]) / 2);
  }
  dragged += Math.abs(now[0] - before[0]) + Math.abs(now[1] - before[1]);
  if (dragged > 4) {
    pan((now[0] - before[0]) / pointers.size, (now[1] - before[1]) / pointers.size);
    canvas.classList.add('drag');
  }
  pointers.set(event.pointerId, now);
});
for (const name of ['pointerup', 'pointercancel']) {
  canvas.addEventListener(name, event => {
    const held = pointers.delete(event.pointerId);
    canvas.classList.remove('drag');
    if (held && name === 'pointerup' && dragged <= 4) choose(under(event.offsetX, event.offsetY), {move: false});
  });
}
canvas.addEventListener('wheel', event => {
  event.preventDefault();
  const unit = event.deltaMode === 1 ? 30 : 1;
  if (event.shiftKey) pan(-event.deltaY * unit, 0);
  else if (event.deltaX && !event.ctrlKey) pan(-event.deltaX * unit, -event.deltaY * unit);
  else zoom(Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0016)), event.offsetX, event.offsetY);
}, {passive: false});
canvas.addEventListener('dblclick', event => zoom(1.6, event.offsetX, event.offsetY));
canvas.addEventListener('pointerleave', () => hover(-1e9, -1e9));

const under = (x, y) => nodeAt(view.level, (x - view.x) / view.scale, (y - view.y) / view.scale);

function hover(x, y) {
  const over = under(x, y);
  if (over === view.over) return;
  view.over = over;
  canvas.classList.toggle('on', over >= 0);
  canvas.title = over >= 0 ? (nodes[view.level.nodes[over]].d[0] || ['', ''])[1].slice(0, 400) : '';
  redraw();
}
