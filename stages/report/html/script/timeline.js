// Parts of an item in time: a lane for what is true, and one for what each network found. What is right is filled, what is wrong is hollow.

// Lengths in units of the picture.
const TIMELINE = { width: 360, left: 4, right: 356, text: 12, bar: 9, gap: 6, most: 5 };

function draw(kind, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Flat lists of numbers as objects: class, begin, end of true parts; score and whether it is right of those that were found.
function partsOf(flat, words, wide) {
  const found = [];
  for (let n = 0; n < flat.length; n += wide) {
    const [name, begin, end, score, right] = flat.slice(n, n + wide);
    found.push({ name: words[name], begin, end, score, right });
  }
  return found;
}

// The lanes of an item: what is true, and what every network found in a seed.
function lanesOf(file, place, columns, facts, seed) {
  const found = columns.networks.map((name, network) => {
    const flat = file.found[seed * columns.networks.length + network][place];
    return { label: facts.labels[name], parts: partsOf(flat, columns.words, 5) };
  });
  return [{ label: "true", parts: partsOf(file.parts[place], columns.words, 3) }, ...found];
}

// Puts the parts of a lane, by their beginning, into the first row in which nothing overlaps them; the last row takes whatever is left.
function rowsOf(parts) {
  const ends = [];
  for (const part of parts.sort((a, b) => a.begin - b.begin)) {
    let row = ends.findIndex((end) => end <= part.begin);
    if (row < 0) row = Math.min(ends.length, TIMELINE.most - 1);
    ends[row] = Math.max(ends[row] ?? 0, part.end);
    part.row = row;
  }
  return Math.max(1, ends.length);
}

function partText(part, label) {
  const score = part.score === undefined ? "" : `, score ${part.score.toFixed(3)}, ${part.right ? "right" : "wrong"}`;
  return `${label}: ${part.name}, ${part.begin.toFixed(1)} to ${part.end.toFixed(1)} s${score}`;
}

// lanes: {label, parts}, the true ones first; seconds: how long the item is, NaN if that is not known.
function timeline(lanes, seconds) {
  const all = lanes.flatMap((lane) => lane.parts);
  const last = Math.max(Number.isNaN(seconds) ? 0 : seconds, ...all.map((part) => part.end), 0.1);
  const { left, right, text, bar, gap } = TIMELINE;
  const across = (time) => left + (Math.max(0, time) / last) * (right - left);
  const here = make("output", { class: "at" }, "\u00a0");
  const marks = [];
  const drawn = [];
  let top = 0;
  for (const lane of lanes) {
    const rows = rowsOf(lane.parts);
    const best = Math.max(...lane.parts.map((part) => part.score ?? 1), 1e-9);
    drawn.push(draw("text", { x: left, y: top + 9 }, lane.label));
    drawn.push(draw("line", { class: "grid", x1: left, x2: right, y1: top + text + rows * bar, y2: top + text + rows * bar }));
    for (const part of lane.parts) {
      const kind = part.score === undefined ? "true" : part.right ? "hit" : "miss";
      const [x, y] = [across(part.begin), top + text + part.row * bar + 1];
      const mark = draw("rect", { class: `part ${kind}`, x, y, width: Math.max(1.5, across(part.end) - x), height: bar - 2, rx: 1.5 });
      mark.style.opacity = part.score === undefined ? 1 : 0.35 + 0.65 * (part.score / best);
      mark.append(draw("title", {}, partText(part, lane.label)));
      marks.push([mark, partText(part, lane.label)]);
      drawn.push(mark);
    }
    top += text + rows * bar + gap;
  }
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    const anchor = part === 0 ? "start" : part === 1 ? "end" : "middle";
    drawn.push(draw("text", { x: left + part * (right - left), y: top + 8, "text-anchor": anchor }, `${readable(Number((part * last).toFixed(1)))} s`));
  }
  const label = `${lanes[0].parts.length} true parts, and what networks found; arrow keys go from part to part`;
  const svg = draw("svg", { class: "timeline", viewBox: `0 0 ${TIMELINE.width} ${top + 12}`, tabindex: 0, role: "img", "aria-label": label }, ...drawn);
  let at = -1;
  function show(number) {
    if (at >= 0) marks[at][0].classList.remove("chosen");
    at = number;
    if (at >= 0) marks[at][0].classList.add("chosen");
    here.textContent = at < 0 ? "\u00a0" : marks[at][1];
  }
  svg.addEventListener("pointermove", (event) => show(marks.findIndex(([mark]) => mark === event.target)));
  svg.addEventListener("pointerleave", () => show(-1));
  svg.addEventListener("blur", () => show(-1));
  svg.addEventListener("keydown", (event) => {
    const to = { ArrowRight: at + 1, ArrowLeft: at < 0 ? marks.length - 1 : at - 1, Home: 0, End: marks.length - 1 }[event.key];
    if (to === undefined || !marks.length) return;
    event.preventDefault();
    show(Math.max(0, Math.min(marks.length - 1, to)));
  });
  return make("div", null, svg, make("p", { class: "said" }, isolated(here)));
}
