// Levels of detail, themes, keys; and the start.
function show(n, look_ = true) {
  const meant = view.chosen >= 0 ? view.level.nodes[view.chosen] : -1;
  view.level = prepare(data.levels[n]);
  view.over = -1;
  const place = meant >= 0 ? view.level.place[meant] : -1;
  view.chosen = -1;
  [...$('levels').children].forEach((button, at) => {
    button.setAttribute('aria-checked', String(at === n));
    button.tabIndex = at === n ? 0 : -1;
  });
  legend();
  const count = view.level.count, stood = view.level.nodes.reduce((sum, each) => sum + (nodes[each].m || [0]).length, 0);
  $('state').textContent = stood > count ? `${counted(stood)} files and programs as ${counted(count)}` : stood === 1 ? '1 node' : `${counted(count)} nodes`;
  document.body.dataset.level = view.level.name;
  document.body.dataset.nodes = count;
  if ($('search').value) look();
  if (look_) {
    choose(place, {move: false});
    begin();
  }
}

const counted = number => number.toLocaleString('en');

function legend() {
  const sorts = new Set(view.level.nodes.map(n => nodes[n].s));
  $('legend').replaceChildren(...data.sorts.flatMap((_, sort) => {
    if (!sorts.has(sort)) return [];
    const item = make('span');
    item.append(swatch({s: sort}), data.words[sort]);
    return [item];
  }));
}

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  repaint();
}

function repaint() {
  readColours();
  redraw();
  redrawTimes();
}

function clock() {
  $('times').hidden = !$('times').hidden;
  $('clock').setAttribute('aria-pressed', String(!$('times').hidden));
  redrawTimes();
}

const KEYS = {
  '+': () => zoom(1.25), '=': () => zoom(1.25), '-': () => zoom(0.8), '0': fit, 'f': fit, 't': clock, 'd': theme,
  '/': () => $('search').focus(), '?': () => $('keys').showModal(),
  'Escape': () => choose(-1), 'Enter': () => $('panel').focus(),
};
const MOVES = {ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60]};

document.addEventListener('keydown', event => {
  const at = document.activeElement, free = at === document.body || at === canvas;
  if (event.ctrlKey || event.altKey || event.metaKey || $('keys').open || at === $('search')) return;
  if (event.key in MOVES && free) event.shiftKey ? pan(...MOVES[event.key]) : step(event.key);
  else if (event.key === 'Enter' && !free) return;
  else if (event.key === 'Escape' && at.closest('aside')) canvas.focus();
  else if (Object.hasOwn(KEYS, event.key)) KEYS[event.key]();
  else if (/^[1-9]$/.test(event.key) && data.levels[event.key - 1]) show(event.key - 1);
  else return;
  event.preventDefault();
});

data.levels.forEach((level, n) => {
  const button = make('button', level.label);
  button.type = 'button';
  button.title = `${level.why} (${n + 1})`;
  button.setAttribute('role', 'radio');
  button.addEventListener('click', () => show(n));
  $('levels').append(button);
});
$('levels').addEventListener('keydown', event => {
  const move = {ArrowLeft: -1, ArrowRight: 1}[event.key];
  if (!move) return;
  const n = (data.levels.indexOf(view.level) + move + data.levels.length) % data.levels.length;
  show(n);
  $('levels').children[n].focus();
  event.preventDefault();
});
if (data.levels.length < 2) $('levels').hidden = true;
$('out').addEventListener('click', () => zoom(0.8));
$('in').addEventListener('click', () => zoom(1.25));
$('fit').addEventListener('click', fit);
$('theme').addEventListener('click', theme);
$('clock').addEventListener('click', clock);
$('help').addEventListener('click', () => $('keys').showModal());
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);
new ResizeObserver(() => { resize(); redrawTimes(); }).observe($('stage'));

readColours();
readTimes();
view.level = prepare(data.levels[data.first]);
resize();
show(data.first);
draw();
document.body.dataset.ready = String(Math.round(performance.now()));
