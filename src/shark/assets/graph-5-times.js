// The time line: a row for each process (or run), in the order of their start, below the one that started them.
const ROW = 18, EDGE = 10;
const times = {rows: [], depth: new Map(), row: new Map(), from: 0, to: 1, first: 0, last: 1, chosen: -1, over: -1};
const bars = $('bars'), barPen = bars.getContext('2d'), ticks = $('ticks'), tickPen = ticks.getContext('2d');

function readTimes() {
  const timed = nodes.map((node, n) => n).filter(n => nodes[n].t && !nodes[n].m);
  if (!timed.length) {
    $('times').hidden = $('clock').hidden = true;
    return;
  }
  const children = new Map();
  const known = new Set(timed);
  timed.sort((a, b) => nodes[a].t[0] - nodes[b].t[0] || a - b);
  for (const n of timed) {
    const above = known.has(nodes[n].p) ? nodes[n].p : -1;
    if (!children.has(above)) children.set(above, []);
    children.get(above).push(n);
  }
  const stack = (children.get(-1) || []).map(n => [n, 0]).reverse();
  while (stack.length) {
    const [n, depth] = stack.pop();
    times.row.set(n, times.rows.length);
    times.rows.push(n);
    times.depth.set(n, depth);
    for (const child of (children.get(n) || []).slice().reverse()) stack.push([child, depth + 1]);
  }
  times.first = times.from = timed.reduce((least, n) => Math.min(least, nodes[n].t[0]), Infinity);
  const last = timed.reduce((most, n) => Math.max(most, nodes[n].t[1]), -Infinity);
  times.last = times.to = Math.max(last, times.first + 1);
  $('space').style.height = times.rows.length * ROW + 'px';
  $('times').style.height = Math.min(Math.max(times.rows.length * ROW + 30, 70), 210) + 'px';
}

const room = () => $('rows').clientWidth - 2 * EDGE - 160;  // to the right there is room for the last name
const toTime = moment => EDGE + (moment - times.from) / (times.to - times.from) * room();

let timesAsked = 0;
function redrawTimes() {
  if (!timesAsked && !$('times').hidden) timesAsked = requestAnimationFrame(() => { timesAsked = 0; drawTimes(); });
}

function fitCanvas(element, width, height) {
  const ratio = devicePixelRatio || 1;
  if (element.width !== Math.round(width * ratio) || element.height !== Math.round(height * ratio)) {
    element.width = Math.round(width * ratio);
    element.height = Math.round(height * ratio);
    element.style.height = height + 'px';
  }
  element.getContext('2d').setTransform(ratio, 0, 0, ratio, 0, 0);
}

function drawTimes() {
  const box = $('rows'), width = box.clientWidth, height = box.clientHeight, top = box.scrollTop;
  if (!width || !height || !times.rows.length) return;
  bars.style.marginTop = '0';
  fitCanvas(bars, width, height);
  barPen.clearRect(0, 0, width, height);
  drawTicks(width, height);
  barPen.textBaseline = 'middle';
  barPen.font = '11px ' + data.font;
  const last = Math.min(times.rows.length, Math.ceil((top + height) / ROW));
  for (let row = Math.floor(top / ROW); row < last; row++) drawBar(row, row * ROW - top, width);
}

function drawBar(row, y, width) {
  const n = times.rows[row], node = nodes[n], look = colours.sorts[node.s];
  if (n === times.chosen || n === times.over) {
    barPen.fillStyle = colours.accent;
    barPen.globalAlpha = n === times.chosen ? 0.22 : 0.1;
    barPen.fillRect(0, y, width, ROW);
    barPen.globalAlpha = 1;
  }
  const x = toTime(node.t[0]), long = Math.max(toTime(node.t[1]) - x, 3);
  barPen.fillStyle = node.f ? colours.failed : look.fill;
  barPen.strokeStyle = node.f ? colours.failed : look.line;
  barPen.beginPath();
  barPen.roundRect(x, y + 3, long, ROW - 6, 3);
  barPen.fill();
  const said = '\u00b7 '.repeat(Math.min(times.depth.get(n), 12)) + node.l + (node.n ? '  ' + node.n : '');
  const wide = barPen.measureText(said).width;
  const inside = wide + 12 < Math.min(x + long, width) - Math.max(x, 0);
  barPen.fillStyle = inside ? (node.f ? colours.ground : look.ink) : colours.ink;
  barPen.fillText(said, inside ? Math.max(x, 0) + 6 : x + long + 6, y + ROW / 2 + 0.5);
}

const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5,
  216e5, 432e5, 864e5, 1728e5, 6048e5, 26784e5, 31536e6];

function drawTicks(width, height) {
  fitCanvas(ticks, width, 22);
  tickPen.clearRect(0, 0, width, 22);
  const span = times.to - times.from, step = STEPS.find(each => span / each <= Math.max(room() / 90, 2)) || span / 4;
  tickPen.font = '11px ' + data.font;
  tickPen.textBaseline = 'middle';
  for (let at = 0; at <= times.last - times.first + step / 2; at += step) {
    const x = toTime(times.first + at);
    if (x < 0 || x > width - 20) continue;
    tickPen.fillStyle = colours.faint;
    tickPen.fillText(lasting(at), x + 4, 11);
    barPen.fillStyle = tickPen.fillStyle = colours.edge;
    tickPen.fillRect(x, 4, 1, 18);
    barPen.fillRect(x, 0, 1, height);
  }
}

function lasting(ms) {
  for (const [unit, length, below, part] of [['d', 864e5, 'h', 36e5], ['h', 36e5, 'min', 6e4], ['min', 6e4, 's', 1e3]]) {
    const rest = Math.floor(ms % length / part);
    if (ms >= length) return Math.floor(ms / length) + ' ' + unit + (rest ? ` ${rest} ${below}` : '');
  }
  return ms >= 1000 || !ms ? round(ms / 1000) + ' s' : round(ms) + ' ms';
}
const round = value => String(Math.round(value * 100) / 100);

function markRow(n) {
  times.chosen = times.row.has(n) ? n : -1;
  if (times.chosen >= 0) {
    const box = $('rows'), y = times.row.get(n) * ROW;
    if (y < box.scrollTop || y + ROW > box.scrollTop + box.clientHeight) box.scrollTop = y - box.clientHeight / 2;
  }
  redrawTimes();
}

const rowAt = event => {
  const y = event.clientY - $('rows').getBoundingClientRect().top + $('rows').scrollTop;
  return times.rows[Math.floor(y / ROW)] ?? -1;
};
$('rows').addEventListener('scroll', redrawTimes);
$('rows').addEventListener('click', event => {
  const n = rowAt(event);
  if (n >= 0) chooseProcess(n);
});
$('rows').addEventListener('pointermove', event => {
  const n = rowAt(event);
  if (n === times.over) return;
  times.over = n;
  $('rows').title = n >= 0 ? nodes[n].d[0][1].slice(0, 400) : '';
  redrawTimes();
});
$('rows').addEventListener('pointerleave', () => { times.over = -1; redrawTimes(); });
$('rows').addEventListener('keydown', event => {
  const move = {ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10}[event.key];
  if (!move) return;
  const at = times.chosen >= 0 ? times.row.get(times.chosen) + move : 0;
  chooseProcess(times.rows[Math.min(Math.max(at, 0), times.rows.length - 1)]);
  event.preventDefault();
});
// Ctrl and the wheel: a shorter or longer time; shift and the wheel: earlier or later.
$('times').addEventListener('wheel', event => {
  if (!event.ctrlKey && !event.shiftKey) return;
  event.preventDefault();
  const span = times.to - times.from;
  if (event.ctrlKey) {
    const at = times.from + (event.clientX - EDGE) / room() * span;
    const next = Math.min(Math.max(span * Math.exp(event.deltaY * 0.003), 1), times.last - times.first);
    times.from = Math.max(at - (at - times.from) * next / span, times.first);
    times.to = times.from + next;
  } else {
    const by = Math.min(Math.max((event.deltaY || event.deltaX) / room() * span, times.first - times.from), times.last - times.to);
    times.from += by;
    times.to += by;
  }
  redrawTimes();
}, {passive: false});

// A process that this level leaves out stays out: its details are told, and the picture stays as it is.
function chooseProcess(n) {
  const place = view.level.place[n];
  if (place >= 0) choose(place, {node: n});
  else {
    choose(-1);
    tell(n, -1);
    markRow(n);
  }
}
