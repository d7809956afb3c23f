// Everything begins here, once the page stands.

function openTarget() {
  const target = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  target?.scrollIntoView();
}

async function showItems(facts) {
  const [matrix, browser] = [document.getElementById("matrix"), document.getElementById("browser")];
  try {
    const columns = await loadColumns();
    const confusion = matrix && new Confusion(matrix, columns, facts, (cell) => {
      examples.filter({ cell, answer: "", networks: {} });
      document.getElementById("examples").scrollIntoView();
      document.getElementById("uncell").focus({ preventScroll: true });
    });
    const examples = new Examples(browser, columns, facts, (wanted) => confusion?.draw(wanted));
    const first = facts.sorts.find((sort) => choose(columns, { ...examples.wanted, networks: examples.networksOf(sort) }).length);
    examples.filter({ seed: 0, networks: first ? examples.networksOf(first) : {} });
  } catch (error) {
    (matrix || browser).replaceChildren(make("p", { role: "alert" }, error.message));
  }
}

for (const figure of document.querySelectorAll("figure.plot")) watchPlot(figure);
for (const box of document.querySelectorAll(".apart")) {
  box.addEventListener("change", () => box.closest("section").classList.toggle("apart-on", box.checked));
}
addEventListener("hashchange", openTarget);
if (location.hash) openTarget();

const told = document.getElementById("facts");
if (told) {
  const facts = JSON.parse(told.textContent);
  // the numbers of all items are loaded when somebody comes near them
  const near = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    near.disconnect();
    showItems(facts);
  }, { rootMargin: "800px" });
  for (const id of ["matrix", "browser"]) {
    const part = document.getElementById(id);
    if (part) near.observe(part);
  }
}
