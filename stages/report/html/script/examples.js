// The browser of items: sorts, filters, pages.

const SHOWN = 12;

class Examples {
  constructor(place, columns, facts, changed) {
    Object.assign(this, { place, columns, facts, changed, page: 0, turn: 0 });
    this.wanted = { seed: 0, kind: "", fold: "", answer: "", networks: {}, cell: null };
    this.controls = make("div");
    this.list = make("div", { class: "items" });
    this.count = make("p", { role: "status", id: "count" });
    this.pager = make("div", { class: "pager" });
    place.replaceChildren(this.controls, this.count, this.pager, this.list);
  }

  filter(changes) {
    Object.assign(this.wanted, changes);
    this.page = 0;
    this.drawControls();
    this.rows = choose(this.columns, this.bound());
    this.draw();
    if ("seed" in changes || "kind" in changes || "fold" in changes) this.changed(this.wanted);
  }

  // What is wanted, with the cell's own seed.
  bound() {
    const { cell, seed } = this.wanted;
    return { ...this.wanted, cell: cell && { holds: (columns, row) => cell.holds(columns, row, seed) } };
  }

  networksOf(sort) {
    const wanted = {};
    for (const [names, want] of [[sort.right, "right"], [sort.wrong, "wrong"]]) {
      for (const name of names) wanted[this.columns.networks.indexOf(name)] = want;
    }
    return wanted;
  }

  drawControls() {
    const { columns, facts, wanted } = this;
    const focused = this.controls.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    const is = (networks) => JSON.stringify(Object.entries(networks).filter(([, want]) => want).sort()) === JSON.stringify(Object.entries(wanted.networks).filter(([, want]) => want).sort());
    const sorts = [{ title: `all ${facts.plural}`, right: [], wrong: [] }, ...facts.sorts].map((sort, number) => {
      const networks = this.networksOf(sort);
      const found = choose(columns, { ...this.bound(), networks }).length;
      return make(
        "button",
        { type: "button", "data-name": `sort ${number}`, "aria-pressed": String(is(networks)), onclick: () => this.filter({ networks }) },
        `${sort.title} (${found.toLocaleString("en")})`,
      );
    });
    const numbers = (texts, all) => [["", all], ...texts.map((text, number) => [number, text || "(none)"])];
    const parts = [];
    if (columns.seeds.length > 1) parts.push(choice("seed", columns.seeds.map((seed, place) => [place, seed]), wanted.seed, (seed) => this.filter({ seed: Number(seed) })));
    if (columns.kinds.length > 1) parts.push(choice("kind", numbers(columns.kinds, "all kinds"), wanted.kind, (kind) => this.filter({ kind })));
    if (columns.folds.length > 1) parts.push(choice("part of the data", numbers(columns.folds, "all parts"), wanted.fold, (fold) => this.filter({ fold })));
    parts.push(this.answerField());
    columns.networks.forEach((name, network) => {
      const options = [["", "any answer"], ["right", "right"], ["wrong", "wrong"], ["silent", "no answer"]];
      const change = (want) => this.filter({ networks: { ...wanted.networks, [network]: want } });
      parts.push(choice(facts.labels[name], options, wanted.networks[network] || "", change));
    });
    for (const part of parts) part.querySelector("select, input").dataset.name = part.firstChild.textContent;
    const cell = wanted.cell
      ? make("p", null, isolated(wanted.cell.text), " ", make("button", { type: "button", id: "uncell", onclick: () => this.filter({ cell: null }) }, "show all again"))
      : null;
    this.controls.replaceChildren(make("div", { class: "sorts" }, sorts), make("div", { class: "controls" }, parts), ...(cell ? [cell] : []));
    if (focused) [...this.controls.querySelectorAll("[data-name]")].find((one) => one.dataset.name === focused)?.focus();
  }

  answerField() {
    const { columns, wanted } = this;
    const change = (event) => {
      const found = columns.words.indexOf(event.target.value);
      event.target.setCustomValidity(event.target.value && found < 0 ? "no item has this answer" : "");
      if (found >= 0 || !event.target.value) this.filter({ answer: found >= 0 ? found : "" });
      else event.target.reportValidity();
    };
    const value = wanted.answer === "" ? "" : columns.words[wanted.answer];
    const words = [...new Set(columns.answer)].slice(0, 2000).map((number) => make("option", { value: columns.words[number] }));
    return make("label", null, "true answer", make("input", { list: "words", value, onchange: change, autocomplete: "off" }), make("datalist", { id: "words" }, words));
  }

  async draw() {
    const { rows, columns, facts } = this;
    const pages = Math.max(1, Math.ceil(rows.length / SHOWN));
    this.page = Math.max(0, Math.min(pages - 1, this.page));
    this.count.textContent = `${counted(rows.length, facts.one, facts.plural)} of ${facts.items.toLocaleString("en")}`;
    this.drawPager(pages);
    const shown = rows.slice(this.page * SHOWN, (this.page + 1) * SHOWN);
    this.turn += 1;
    const turn = this.turn;
    try {
      const files = await Promise.all(shown.map((row) => load(`page_${Math.floor(row / columns.page)}`)));
      if (turn !== this.turn) return; // something else was chosen meanwhile
      this.list.replaceChildren(...shown.map((row, place) => this.item(row, files[place])));
    } catch (error) {
      this.list.replaceChildren(make("p", { role: "alert" }, error.message));
    }
  }

  drawPager(pages) {
    const go = (page) => () => {
      this.page = page;
      this.draw();
    };
    const focused = this.pager.contains(document.activeElement) ? document.activeElement.textContent : null;
    const steps = [["first", 0], ["previous", this.page - 1], ["next", this.page + 1], ["last", pages - 1]];
    const buttons = steps.map(([text, page]) =>
      make("button", { type: "button", disabled: page < 0 || page >= pages || page === this.page, onclick: go(page) }, text),
    );
    buttons.splice(2, 0, make("span", null, `page ${(this.page + 1).toLocaleString("en")} of ${pages.toLocaleString("en")}`));
    this.pager.replaceChildren(...buttons);
    if (focused) {
      const same = buttons.find((button) => button.textContent === focused);
      (same.disabled ? buttons.find((button) => button.tagName === "BUTTON" && !button.disabled) : same)?.focus();
    }
  }

  item(row, file) {
    const { columns, facts, wanted } = this;
    const place = row % columns.page;
    const kind = [columns.kinds[columns.kind[row]], columns.folds[columns.fold[row]] && `part ${columns.folds[columns.fold[row]]}`].filter(Boolean);
    // an item that is a video, or a video in one kind of test, is called by the video
    const video = file.about[place].video_id;
    const whole = video !== undefined && [video, `${video}, ${kind[0]}`].includes(file.id[place]);
    const about = Object.entries(file.about[place]).filter(([key]) => !(whole && key === "video_id")).map(([key, text]) => make("p", null, make("span", { class: "silent" }, `${key}: `), isolated(text)));
    const seeds = columns.seeds.length > 1 ? [make("tr", null, make("th", { scope: "col" }, ""), columns.seeds.map((seed) => make("th", { scope: "col" }, `seed ${seed}`)))] : [];
    const rows = columns.networks.map((name, network) => {
      const cells = columns.seeds.map((_, seed) => this.answer(row, place, file, seed, network, seed === wanted.seed));
      return make("tr", null, make("th", { scope: "row" }, facts.labels[name]), cells);
    });
    const title = make("h4", null, `${facts.one} `, isolated(whole ? video : file.id[place]), kind.length ? " · " : "", isolated(kind.join(", ")));
    const own = truths(columns, row).flatMap((answer, number) => [number ? ", " : "", isolated(columns.words[answer])]);
    const truth = make("p", null, make("span", { class: "silent" }, `true answer${columns.ends ? "s" : ""}: `), make("strong", null, own.length ? own : "none"));
    const table = make("div", { class: "wide" }, make("table", null, make("thead", null, seeds), make("tbody", null, rows)));
    const name = file.preview?.[place];
    const seen = file.seen?.[place];
    const alt = `the frames that were sampled of its video${seen ? `: ${seen}` : ""}`;
    const preview = name ? make("img", { src: `previews/${name}`, alt, loading: "lazy" }) : null;
    const heard = file.sound?.[place];
    const sound = heard ? make("img", { class: "sound", src: `previews/${heard}`, alt: "its sound: time to the right, pitch upwards, loudness as colour", loading: "lazy" }) : null;
    const parts = file.parts ? timeline(lanesOf(file, place, columns, facts, wanted.seed), Number(file.about[place].seconds)) : null;
    return make("article", { "data-row": row }, title, preview, sound, about, truth, parts, table);
  }

  answer(row, place, file, seed, network, full) {
    const { columns } = this;
    const said = columns.of[seed].said[network][row];
    const found = verdict(columns, seed, network, row);
    if (!found) return make("td", { class: "silent" }, "–");
    const mark = { right: "✓\u00a0", wrong: "✗\u00a0", silent: "" }[found];
    const text = make("span", { class: found }, make("span", { "aria-label": found, role: "img" }, mark), isolated(word(columns, said)));
    const best = file.best[seed * columns.networks.length + network][place];
    const chances = [];
    for (let n = 0; full && n < best.length; n += 2) {
      chances.push(make("div", null, isolated(columns.words[best[n]]), ` ${((100 * best[n + 1]) / columns.whole).toFixed(1)}\u00a0%`));
    }
    return make("td", null, text, make("div", { class: "best" }, chances));
  }
}
