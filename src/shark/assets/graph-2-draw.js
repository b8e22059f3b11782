// Drawing a level on the canvas: only what is on the screen, and with less detail where it is small.
const canvas = $('picture');
const pen = canvas.getContext('2d');  // not an opaque one: that would be black until the first drawing
const view = {level: null, scale: 1, x: 0, y: 0, width: 0, height: 0, chosen: -1, over: -1, flow: null, hits: new Set()};
let colours = {};
const kept = {image: document.createElement('canvas'), x: 0, y: 0, scale: 1, slow: false, valid: false};
const LATE = 30;  // milliseconds from asking for a frame to its coming, of which a screen takes 17
let asked = 0, settle = 0, drawnLast = 0, late = 0;

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const value = name => style.getPropertyValue('--' + name).trim();
  colours = {ground: value('ground'), line: value('line'), failed: value('failed'), ink: value('ink'), faint: value('faint'),
    accent: value('accent'), edge: value('edge'), hover: value('hover'),
    sorts: data.sorts.map(sort => ({fill: value(sort + '-fill'), line: value(sort + '-line'), ink: value(sort + '-ink'),
      faint: value(sort + '-faint')}))};
}

const toX = x => x * view.scale + view.x;
const toY = y => y * view.scale + view.y;

// Ask for a new drawing; `moving`: a stale picture will do until the movement is over, if a true one takes long.
function redraw(moving = false) {
  if (!moving) kept.valid = false;
  if (asked) return;
  const since = performance.now();
  asked = requestAnimationFrame(() => {
    asked = 0;
    // Lines are painted when draw() has returned: what that takes shows only in when the next frame comes.
    late = moving && kept.valid && performance.now() - since > LATE ? late + 1 : 0;
    if (late > 1 && !kept.slow) keep();
    if (kept.valid && kept.slow) {
      shift();
      clearTimeout(settle);
      settle = setTimeout(() => { kept.valid = false; redraw(); }, 120);
    } else {
      draw();
    }
  });
}

function shift() {
  const ratio = devicePixelRatio || 1, zoom = view.scale / kept.scale;
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.fillStyle = colours.ground;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(kept.image, (view.x - kept.x * zoom) * ratio, (view.y - kept.y * zoom) * ratio, canvas.width * zoom,
    canvas.height * zoom);
}

function draw() {
  const began = performance.now(), ratio = devicePixelRatio || 1, level = view.level;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = colours.ground;
  pen.fillRect(0, 0, view.width, view.height);
  const seen = {left: -view.x / view.scale, top: -view.y / view.scale, right: (view.width - view.x) / view.scale,
    bottom: (view.height - view.y) / view.scale};
  pen.setTransform(ratio * view.scale, 0, 0, ratio * view.scale, ratio * view.x, ratio * view.y);
  drawBlocks(level, seen);
  drawLines(level, seen);
  drawNodes(level, seen);
  drawnLast = performance.now() - began;
  kept.slow = false;
  if (drawnLast > 9) keep();
  Object.assign(kept, {x: view.x, y: view.y, scale: view.scale, valid: true});
}

// Keep what is drawn, as the picture that will do while it is moved.
function keep() {
  kept.image.width = canvas.width;
  kept.image.height = canvas.height;
  kept.image.getContext('2d', {alpha: false}).drawImage(canvas, 0, 0);
  kept.slow = true;
}

const apart = (left, top, right, bottom, seen) => right < seen.left || left > seen.right || bottom < seen.top || top > seen.bottom;

function drawBlocks(level, seen) {
  pen.lineWidth = 1 / Math.min(view.scale, 1);
  pen.strokeStyle = colours.edge;
  pen.fillStyle = colours.hover;
  for (const [x, y, w, h] of level.blocks) {
    if (apart(x, y, x + w, y + h, seen)) continue;
    pen.beginPath();
    pen.roundRect(x, y, w, h, 12);
    pen.globalAlpha = 0.55;
    pen.fill();
    pen.globalAlpha = 1;
    pen.stroke();
  }
}

// The lines of each look together, some hundred at once: that is what canvases draw fastest.
function drawLines(level, seen) {
  const looks = new Map();
  const marks = view.flow && vertexMarks(level);
  for (const each of level.lines) {
    if (apart(each.left, each.top, each.right, each.bottom, seen)) continue;
    const strong = marks && (marks[each.source] & marks[each.target]) && each.kind !== KIND.start;
    const key = each.kind * 2 + (strong ? 1 : 0);
    if (!looks.has(key)) looks.set(key, []);
    looks.get(key).push(each);
  }
  for (const [key, lines] of [...looks].sort((a, b) => a[0] % 2 - b[0] % 2)) {
    const kind = key >> 1, strong = key % 2;
    if (view.flow && !strong && lines.length > 1500) continue;
    pen.strokeStyle = pen.fillStyle = strong ? colours.accent : colours.line;
    const crowd = Math.min(1, Math.max(10 / Math.sqrt(lines.length), 0.06));  // many lines become a shadow, not a wall
    pen.globalAlpha = strong ? Math.max(crowd, 0.5) : (view.flow ? 0.22 : FAINT_KINDS.has(kind) ? 0.6 : 0.9) * crowd;
    pen.lineWidth = Math.max((strong ? 2.2 : 1.3), 0.6 / view.scale);
    // Dashes are worked out along the whole of a line, on the screen or not: too slow for many long ones.
    pen.setLineDash(view.scale > 0.3 && lines.length < 200 ? DASHES[kind] || [] : []);
    for (let n = 0; n < lines.length; n += 200) stroke(lines.slice(n, n + 200));
    pen.setLineDash([]);
    if (view.scale > 0.25) arrows(lines, seen);
  }
  pen.globalAlpha = 1;
}

function vertexMarks(level) {
  const marks = new Uint8Array(level.count + level.blocks.length);
  for (let n = 0; n < level.count; n++) {
    marks[n] |= view.flow[n];
    if (level.vertex[n] >= level.count) marks[level.vertex[n]] |= view.flow[n];
  }
  return marks;
}

function stroke(lines) {
  const coarse = view.scale < 0.12;
  pen.beginPath();
  for (const {points} of lines) {
    const last = points.length - 2;
    pen.moveTo(points[0], points[1]);
    if (coarse && last < 8) {
      pen.lineTo(points[last], points[last + 1]);
      continue;
    }
    for (let n = 2; n <= last; n += 2) {
      const ax = points[n - 2], ay = points[n - 1], bx = points[n], by = points[n + 1], bow = (bx - ax) / 2;
      if (n % 4 === 0) pen.bezierCurveTo(ax + bow, ay, bx - bow, by, bx, by);
      else if (ax !== bx) pen.lineTo(bx, by);
    }
  }
  pen.stroke();
}

function arrows(lines, seen) {
  pen.beginPath();
  for (const {points} of lines) {
    const x = points[points.length - 2], y = points[points.length - 1];
    if (apart(x - 8, y - 4, x, y + 4, seen)) continue;
    const way = points[points.length - 4] === x ? points[points.length - 6] <= x : points[points.length - 4] <= x;
    const back = way ? -8 : 8;
    pen.moveTo(x, y);
    pen.lineTo(x + back, y - 3.6);
    pen.lineTo(x + back, y + 3.6);
  }
  pen.fill();
}

function drawNodes(level, seen) {
  let shown = level.vertex.keys();
  if ((seen.right - seen.left) * (seen.bottom - seen.top) / CELL ** 2 < level.count) {
    shown = new Set();
    for (const key of cellsOf(seen.left, seen.top, seen.right, seen.bottom)) {
      for (const n of level.cells.get(key) || []) shown.add(n);
    }
  }
  pen.textAlign = 'center';
  pen.textBaseline = 'alphabetic';
  for (const n of shown) drawNode(level, n);
}

function drawNode(level, n) {
  const node = nodes[level.nodes[n]], look = colours.sorts[node.s];
  const x = level.x[n], y = level.y[n], w = level.w[n], small = view.scale < 0.22;
  const dim = view.flow ? !view.flow[n] : view.hits.size > 0 && !view.hits.has(n);
  pen.globalAlpha = dim ? 0.28 : 1;
  pen.fillStyle = look.fill;
  pen.strokeStyle = node.f ? colours.failed : look.line;
  pen.lineWidth = node.f ? 2.5 : 1.2;
  if (small) {
    // At this size the border's colour tells more than the pale inside.
    pen.fillStyle = node.f ? colours.failed : look.line;
    const least = Math.max(HEIGHT, 1.5 / view.scale);
    pen.fillRect(x, y, w, least);
  } else {
    if (node.m) {
      pen.globalAlpha *= 0.5;
      shape(node, x + 4, y + 4, w);
      pen.globalAlpha = dim ? 0.28 : 1;
    }
    shape(node, x, y, w);
    if (view.scale > 0.27) letters(node, look, x, y, w);
  }
  if (n === view.chosen || view.hits.has(n) || n === view.over) {
    pen.globalAlpha = 1;
    pen.strokeStyle = n === view.over && n !== view.chosen ? colours.faint : colours.accent;
    pen.lineWidth = Math.max(n === view.chosen ? 3 : 2, 1.6 / view.scale);
    pen.beginPath();
    pen.roundRect(x - 4, y - 4, w + 8, HEIGHT + 8, isProgram(node) ? HEIGHT / 2 + 4 : 6);
    pen.stroke();
  }
  pen.globalAlpha = 1;
}

const CORNERS = {process: HEIGHT / 2, package: 3, channel: 9, network: 9};

function shape(node, x, y, w) {
  const corner = CORNERS[data.sorts[node.s]];
  pen.beginPath();
  if (corner === undefined) {  // a sheet of paper
    pen.moveTo(x, y);
    pen.lineTo(x + w - 9, y);
    pen.lineTo(x + w, y + 9);
    pen.lineTo(x + w, y + HEIGHT);
    pen.lineTo(x, y + HEIGHT);
    pen.closePath();
    pen.moveTo(x + w - 9, y);
    pen.lineTo(x + w - 9, y + 9);
    pen.lineTo(x + w, y + 9);
  } else {
    pen.roundRect(x, y, w, HEIGHT, corner);
  }
  pen.fill();
  pen.stroke();
}

function letters(node, look, x, y, w) {
  pen.fillStyle = look.ink;
  if (view.scale < 0.62) {  // the name alone, as large as the node allows
    const size = Math.min(9.5 / view.scale, 22);
    pen.font = `600 ${size}px ${data.font}`;
    pen.fillText(node.l, x + w / 2, y + HEIGHT / 2 + size * 0.36, w - 8);
    return;
  }
  pen.font = '600 12px ' + data.font;
  pen.fillText(node.l, x + w / 2, y + (node.n ? 18 : 24.5), w - 12);
  if (node.n) {
    pen.fillStyle = look.faint;
    pen.font = '10.5px ' + data.font;
    pen.fillText(node.n, x + w / 2, y + 32, w - 12);
  }
}
