// The panel with the details of what is chosen, and the search.
const SHOWN = 40;
const MONO = new Set(['Command', 'Before', 'Path', 'Program', 'In', 'SHA-256', 'Package', 'Run', 'Made by run', 'File']);

function make(tag, text = '', named = '') {
  const element = document.createElement(tag);
  if (text) element.textContent = text;  // never as markup: names of files may hold anything
  if (named) element.className = named;
  return element;
}

function swatch(node) {
  const mark = make('i', '', isProgram(node) ? 'program' : '');
  mark.style.background = `var(--${data.sorts[node.s]}-fill)`;
  mark.style.borderColor = `var(--${data.sorts[node.s]}-line)`;
  return mark;
}

function facts(rows, failed) {
  const list = make('dl');
  for (const [label, said] of rows) {
    list.append(make('dt', label));
    const bad = failed && (label === 'Ended' || label === 'Failed');
    list.append(make('dd', said, (MONO.has(label) ? 'mono ' : '') + (bad ? 'bad' : '')));
  }
  return list;
}

function nodeButton(n) {
  const node = nodes[n], button = make('button');
  button.type = 'button';
  button.append(swatch(node), make('span', node.l), make('small', node.n || ''));
  button.addEventListener('click', () => chooseNode(n));
  return button;
}

// A list of nodes, the first of them at once and the others when they are asked for.
function nodeList(panel, title, found) {
  const every = [...new Set(found)];
  if (!every.length) return;
  panel.append(make('h3', `${title} (${counted(every.length)})`));
  const list = make('ul', '', 'near');
  panel.append(list);
  let from = 0;
  const more = make('button', '', 'more');
  more.type = 'button';
  const add = () => {
    for (const n of every.slice(from, from + SHOWN)) {
      const item = make('li');
      item.append(nodeButton(n));
      list.append(item);
    }
    from += SHOWN;
    more.hidden = from >= every.length;
    more.textContent = `and ${counted(every.length - from)} more`;
  };
  more.addEventListener('click', add);
  add();
  panel.append(more);
}

function tell(n, place) {
  const panel = $('panel');
  panel.replaceChildren();
  panel.scrollTop = 0;
  if (n < 0) {
    panel.append(make('h2', 'About this picture'), facts(data.facts, false));
    panel.append(make('h3', 'How to read it'), make('p', 'Data flows from left to right: from files into the programs that '
      + 'read them, and on into the files that these wrote. Choose one to see what it came from and what came of it.'));
    const matters = prepare(data.levels[0]).place;
    for (const [title, sort] of [['Outputs', 'output'], ['Inputs', 'input']]) {
      nodeList(panel, title, nodes.flatMap((node, at) => data.sorts[node.s] === sort && !node.m && matters[at] >= 0 ? [at] : []));
    }
    $('spoken').textContent = '';
    return;
  }
  const node = nodes[n], sort = make('span', data.words[node.s], 'sort');
  sort.style.background = `var(--${data.sorts[node.s]}-fill)`;
  sort.style.borderColor = `var(--${data.sorts[node.s]}-line)`;
  sort.style.color = `var(--${data.sorts[node.s]}-ink)`;
  panel.append(make('h2', node.l), sort);
  if (node.m || !node.d.length) panel.append(make('p', node.n || ''));
  panel.append(facts(node.d, node.f));
  if (place >= 0) {
    const level = view.level, program = isProgram(node);
    const names = (near, wanted) => near.filter(([, kind]) => wanted(kind)).map(([other]) => level.nodes[other]);
    const data_ = kind => kind !== KIND.start, start = kind => kind === KIND.start;
    nodeList(panel, program ? 'Read' : 'Made by', names(level.before[place], data_));
    nodeList(panel, program ? 'Wrote' : 'Used by', names(level.after[place], data_));
    nodeList(panel, 'Started by', names(level.before[place], start));
    nodeList(panel, 'Started', names(level.after[place], start));
    if (level.nodes[place] !== n) nodeList(panel, 'Shown as part of', [level.nodes[place]]);
  }
  if (node.m) nodeList(panel, 'Stands for', node.m);
  $('spoken').textContent = `${node.l}, ${data.words[node.s]}${node.n ? ', ' + node.n : ''}`;
}

const search = {found: [], at: -1};

function look() {
  const words = $('search').value;
  search.found = find(words);
  search.at = -1;
  const places = new Set();
  for (const n of search.found) if (view.level.place[n] >= 0) places.add(view.level.place[n]);
  view.hits = places;
  $('found').textContent = words.trim() ? search.found.length ? counted(search.found.length) : 'none' : '';
  const list = $('hits');
  list.replaceChildren();
  search.found.slice(0, 30).forEach((n, at) => {
    const item = make('li'), button = make('button');
    button.type = 'button';
    button.append(swatch(nodes[n]), make('span', ' ' + nodes[n].l), make('small', nodes[n].n || ''));
    if (view.level.place[n] < 0) button.append(make('small', '(not in this detail)'));
    button.addEventListener('click', () => { go(at); list.hidden = true; });
    item.append(button);
    list.append(item);
  });
  list.classList.add('near');
  list.hidden = !search.found.length || document.activeElement !== $('search');
  redraw();
}

// To the found node at `at`, counted round and round.
function go(at) {
  if (!search.found.length) return;
  search.at = (at + search.found.length) % search.found.length;
  $('found').textContent = `${search.at + 1} of ${counted(search.found.length)}`;
  chooseNode(search.found[search.at]);
}

$('search').addEventListener('input', look);
$('search').addEventListener('focus', () => { $('hits').hidden = !search.found.length; });
$('search').addEventListener('keydown', event => {
  if (event.key === 'Enter') {
    go(search.at + (event.shiftKey ? -1 : 1));
    $('hits').hidden = true;
  } else if (event.key === 'Escape') {
    $('search').value = '';
    look();
    canvas.focus();
  } else if (event.key === 'ArrowDown') {
    $('hits').hidden = !search.found.length;
    const first = $('hits').querySelector('button');
    if (first) first.focus();
  } else return;
  event.preventDefault();
});
$('hits').addEventListener('keydown', event => {
  const buttons = [...$('hits').querySelectorAll('button')], at = buttons.indexOf(document.activeElement);
  if (event.key === 'ArrowDown' && at + 1 < buttons.length) buttons[at + 1].focus();
  else if (event.key === 'ArrowUp') (buttons[at - 1] || $('search')).focus();
  else if (event.key === 'Escape') $('search').focus();
  else return;
  event.preventDefault();
});
document.addEventListener('pointerdown', event => {
  if (!event.target.closest('.search')) $('hits').hidden = true;
});
