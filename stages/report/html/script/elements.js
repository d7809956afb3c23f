"use strict";
// Everything that is shown becomes a text node or an attribute: no text is ever read as HTML.

function make(kind, attributes, ...children) {
  const made = document.createElement(kind);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) made.append(child);
  }
  return made;
}

// Text of a data set keeps its own direction of writing.
function isolated(text) {
  return make("bdi", null, text);
}

function choice(label, options, chosen, changed) {
  const list = make("select", { onchange: (event) => changed(event.target.value) });
  for (const [value, text] of options) {
    list.append(make("option", { value, selected: String(value) === String(chosen) }, text));
  }
  return make("label", null, label, list);
}

function counted(number, one, plural) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : plural}`;
}
