// The numbers of a picture, at the pointer or at the arrow keys.

function readable(value) {
  return String(Number(value.toPrecision(4))).replace("-", "−");
}

function watchPlot(figure) {
  const about = JSON.parse(figure.querySelector("script").textContent);
  const svg = figure.querySelector("svg");
  const here = figure.querySelector(".here");
  const at = figure.querySelector(".at");
  const outputs = [...figure.querySelectorAll("output")];
  const places = [...new Set(about.lines.flatMap((line) => line.x))].sort((a, b) => a - b);
  const [left, right] = about.area;
  let shown = -1;

  function show(number) {
    shown = Math.max(0, Math.min(places.length - 1, number));
    const x = places[shown];
    const across = left + ((x - about.low) / (about.high - about.low)) * (right - left);
    here.setAttribute("x1", across);
    here.setAttribute("x2", across);
    here.style.visibility = "visible";
    at.textContent = `${about.x} ${readable(x)}`;
    about.lines.forEach((line, place) => {
      const point = line.x.indexOf(x);
      const half = point < 0 ? null : line.half[point];
      outputs[place].textContent = point < 0 ? "" : readable(line.y[point]) + (half === null ? "" : ` ± ${readable(half)}`);
      const each = point < 0 || !line.each.length ? [] : line.each[point];
      outputs[place].title = each.map((value, replicate) => `${about.names[replicate]}: ${readable(value)}`).join(", ");
    });
  }

  function hide() {
    shown = -1;
    here.style.visibility = "hidden";
    at.textContent = "\u00a0";
    for (const output of outputs) output.textContent = "";
  }

  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const across = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    const x = about.low + ((across - left) / (right - left)) * (about.high - about.low);
    let nearest = 0;
    places.forEach((place, number) => {
      if (Math.abs(place - x) < Math.abs(places[nearest] - x)) nearest = number;
    });
    show(nearest);
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const to = { ArrowRight: shown + 1, ArrowLeft: shown < 0 ? places.length - 1 : shown - 1, Home: 0, End: places.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(to);
  });
}
