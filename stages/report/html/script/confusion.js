// Which answers are taken for which: the most frequent true answers against what a network says; every cell chooses its items.

// So many answers have a row and a column of their own.
const ANSWERS = 20;
const OTHER = -3;
// An item without any true answer.
const NONE = -4;

function frequent(columns, rows) {
  const counts = new Map();
  for (const row of rows) for (const answer of truths(columns, row)) counts.set(answer, (counts.get(answer) || 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, ANSWERS).map(([word]) => word);
}

function word(columns, number) {
  return number === OTHER ? "others" : number === NONE ? "none" : number === SILENT ? "no answer" : columns.words[number];
}

// The rows in which an item counts: that of its true answer; of several that which was said, or where none of them was, each of them.
function rowsFor(columns, row, said) {
  const own = truths(columns, row);
  return own.includes(said) ? [said] : own.length ? own : [NONE];
}

class Confusion {
  constructor(place, columns, facts, chosen) {
    Object.assign(this, { place, columns, facts, chosen, network: 0 });
  }

  // Draw it for the items of a seed, kind and fold.
  draw(wanted) {
    const { columns, facts } = this;
    const all = choose(columns, { ...wanted, networks: {}, answer: "", cell: null });
    const said = columns.of[wanted.seed].said[this.network];
    const rows = all.filter((row) => said[row] !== ABSENT);
    const own = frequent(columns, rows);
    const known = new Set(own);
    const of = (number) => (number === SILENT || number === NONE || known.has(number) ? number : OTHER);
    const counts = new Map();
    const sums = new Map();
    for (const row of rows) {
      const answer = of(said[row]);
      for (const truth of new Set(rowsFor(columns, row, said[row]).map(of))) {
        counts.set(`${truth} ${answer}`, (counts.get(`${truth} ${answer}`) || 0) + 1);
        sums.set(truth, (sums.get(truth) || 0) + 1);
      }
    }
    const shown = [...own, OTHER, NONE].filter((truth) => sums.has(truth));
    const answers = [...own, OTHER, SILENT].filter((answer) => shown.some((truth) => counts.has(`${truth} ${answer}`)) || known.has(answer));
    const head = make("tr", null, make("th", { scope: "col" }, "true \\ said"), answers.map((a) => make("th", { scope: "col" }, isolated(word(columns, a)))));
    const body = shown.map((truth) => {
      const name = make("th", { scope: "row" }, isolated(word(columns, truth)), ` (${sums.get(truth)})`);
      return make("tr", null, name, answers.map((answer) => this.cell(truth, answer, counts.get(`${truth} ${answer}`) || 0, sums.get(truth), of)));
    });
    const table = make("table", { class: "matrix", onkeydown: moveFocus }, make("thead", null, head), make("tbody", null, body));
    const first = table.querySelector("button:not(:disabled)");
    if (first) first.tabIndex = 0;
    const several = columns.ends ? ` ${facts.one === "case" ? "A case" : `A ${facts.one}`} of several true answers counts in the row of the one that was said; if none of them was, in each of their rows.` : "";
    const networks = columns.networks.map((name, number) => [number, facts.labels[name]]);
    const change = (value) => {
      this.network = Number(value);
      this.draw(wanted);
      this.place.querySelector("select").focus();
    };
    this.place.replaceChildren(
      make("div", { class: "controls" }, choice("answers of", networks, this.network, change)),
      make("p", { class: "note" }, `${counted(rows.length, facts.one, facts.plural)}, as chosen below by seed, kind and part. A cell shows its own below; arrow keys move.${several}`),
      make("div", { class: "wide" }, table),
    );
  }

  cell(truth, answer, count, sum, of) {
    const { columns, network, facts } = this;
    const text = `true ${word(columns, truth)}, said ${word(columns, answer)}`;
    const cell = {
      text: `${text} (${facts.labels[columns.networks[network]]})`,
      holds: (found, row, seed) => {
        const said = found.of[seed].said[network][row];
        return of(said) === answer && rowsFor(found, row, said).some((own) => of(own) === truth);
      },
    };
    const button = make(
      "button",
      { type: "button", tabindex: -1, disabled: count === 0, "aria-label": `${text}: ${count}`, onclick: () => this.chosen(cell) },
      count || "",
    );
    button.style.background = count ? `rgba(var(--heat), ${(0.08 + (0.72 * count) / sum).toFixed(3)})` : "transparent";
    return make("td", { class: truth === answer && truth >= 0 ? "own" : null }, button);
  }
}

// Arrow keys move between cells that hold something; one cell at a time can be reached with Tab.
function moveFocus(event) {
  const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
  if (!step || event.target.tagName !== "BUTTON") return;
  event.preventDefault();
  const table = event.currentTarget;
  let { rowIndex } = event.target.closest("tr");
  let column = event.target.closest("td").cellIndex;
  for (;;) {
    rowIndex += step[0];
    column += step[1];
    const cell = rowIndex > 0 ? table.rows[rowIndex]?.cells[column] : undefined;
    const button = column > 0 ? cell?.querySelector("button") : undefined;
    if (!button) return;
    if (button.disabled) continue;
    event.target.tabIndex = -1;
    button.tabIndex = 0;
    button.focus();
    return;
  }
}
