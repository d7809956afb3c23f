// Items in columns of numbers, loaded when they are needed, and which of them are chosen.

const SILENT = -1;
const ABSENT = -2;
// So many files of items are kept at a time.
const KEPT = 60;
const waiting = new Map();
const loaded = new Map();

// What every file in data/ calls.
function kdpipe_data(name, value) {
  waiting.get(name)?.(value);
}

function load(name) {
  if (loaded.has(name)) return loaded.get(name);
  const found = new Promise((resolve, reject) => {
    waiting.set(name, resolve);
    const script = make("script", { src: `data/${name}.js` });
    script.onload = () => script.remove();
    script.onerror = () => {
      loaded.delete(name);
      reject(new Error(`data/${name}.js cannot be loaded: it belongs beside this page`));
    };
    document.head.append(script);
  });
  loaded.set(name, found);
  const pages = [...loaded.keys()].filter((key) => key.startsWith("page_"));
  if (pages.length > KEPT) loaded.delete(pages[0]);
  return found;
}

async function loadColumns() {
  const items = await load("items");
  const seeds = await Promise.all(items.seeds.map((_, place) => load(`seed_${place}`)));
  return { ...items, of: seeds };
}

// The true answers of an item: numbers of words.
function truths(columns, row) {
  if (!columns.ends) return [columns.answer[row]];
  return columns.answer.slice(row ? columns.ends[row - 1] : 0, columns.ends[row]);
}

function isRight(columns, seed, network, row) {
  return columns.of[seed].right[network][row] === 1;
}

// "right", "wrong", "silent" (it could not answer) or "" (it was never asked)
function verdict(columns, seed, network, row) {
  const said = columns.of[seed].said[network][row];
  if (said === ABSENT) return "";
  if (said === SILENT) return "silent";
  return isRight(columns, seed, network, row) ? "right" : "wrong";
}

// Rows that pass: kind, fold, true answer, what each network is wanted to be, and the cell of the confusion that was chosen.
function choose(columns, wanted) {
  const rows = [];
  const networks = Object.entries(wanted.networks).filter(([, want]) => want);
  for (let row = 0; row < columns.kind.length; row += 1) {
    if (wanted.kind !== "" && columns.kind[row] !== Number(wanted.kind)) continue;
    if (wanted.fold !== "" && columns.fold[row] !== Number(wanted.fold)) continue;
    if (wanted.answer !== "" && !truths(columns, row).includes(Number(wanted.answer))) continue;
    if (wanted.cell && !wanted.cell.holds(columns, row)) continue;
    if (networks.some(([network, want]) => verdict(columns, wanted.seed, Number(network), row) !== want)) continue;
    if (columns.of[wanted.seed].said.every((said) => said[row] === ABSENT)) continue;
    rows.push(row);
  }
  return rows;
}
