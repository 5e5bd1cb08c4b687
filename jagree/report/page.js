"use strict";

// Sorts tables and filters galleries. Without it the page holds the same tables in their own order,
// and the first examples of each kind. Text from outside is only ever set as text.

const FIRST = 16; // examples of a kind that are shown at first, and how many more at a time
const MORE = 48;

const said = document.getElementById("said");
const collator = new Intl.Collator("en", { numeric: true });

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function counted(number) {
  return number.toLocaleString("en");
}

// The order of two numbers, those without a value last whichever way is up.
function compared(a, b, sign) {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
  return sign * (a - b);
}

// ---- Tables -------------------------------------------------------------------------------------

function sortable(table) {
  const body = table.tBodies[0];
  const asWritten = [...body.rows];
  const headings = [...table.tHead.rows[0].cells];

  function sort(place, direction) {
    const sign = direction === "descending" ? -1 : 1;
    const key = (row) => {
      const { value } = row.cells[place].dataset;
      if (value === undefined) return row.cells[place].textContent;
      return value === "" ? NaN : Number(value);
    };
    const rows = asWritten.map((row) => [key(row), row]);
    if (direction !== "none") {
      rows.sort(([a], [b]) =>
        typeof a === "string" || typeof b === "string"
          ? sign * collator.compare(a, b)
          : compared(a, b, sign),
      );
    }
    body.append(...rows.map(([, row]) => row));
  }

  headings.forEach((heading, place) => {
    const button = element("button", { type: "button" }, ...heading.childNodes);
    button.append(element("span", { "aria-hidden": "true", class: "arrow" }));
    heading.append(button);
    button.addEventListener("click", () => {
      const next = { ascending: "descending", descending: "none" };
      const direction = next[heading.getAttribute("aria-sort")] ?? "ascending";
      for (const other of headings) other.removeAttribute("aria-sort");
      if (direction !== "none") heading.setAttribute("aria-sort", direction);
      sort(place, direction);
      said.textContent =
        direction === "none"
          ? "In the order of the page."
          : `Sorted by ${button.textContent}, ${direction}.`;
    });
  });
}

// ---- One example, with all its numbers ----------------------------------------------------------

const dialog = element("dialog", { "aria-labelledby": "example-name" });

function written(value) {
  if (value === null) return "no value";
  const digits = Math.abs(value) >= 1000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 4 };
  return value.toLocaleString("en", digits).replace("-", "\u2212");
}

function showExample(data, number, tiny) {
  const close = element("button", { type: "button" }, "Close");
  close.addEventListener("click", () => dialog.close());
  const numbers = element("dl", { class: "facts" });
  data.columns.forEach((name, place) => {
    const value = element("dd", {}, written(data.values[place][number]));
    numbers.append(element("div", {}, element("dt", {}, name), value));
  });
  const name = element("h2", { id: "example-name", dir: "auto" }, data.labels[number]);
  const id = element("p", { dir: "auto" }, element("code", {}, data.ids[number]));
  const note = element("p", { class: "note", dir: "auto" }, data.notes[number]);
  const head = element("div", { class: "head" }, element("div", {}, name, id, note));
  if (data.pictures[number]) {
    const large = { src: data.pictures[number], alt: "", class: tiny ? "large tiny" : "large" };
    head.prepend(element("img", large));
  }
  dialog.replaceChildren(close, head, numbers);
  dialog.showModal();
  close.focus();
}

dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // beside it
});

// ---- Galleries ----------------------------------------------------------------------------------

function gallery(section) {
  const data = JSON.parse(section.querySelector("script").textContent);
  const form = section.querySelector("form");
  const fields = form.elements;
  const parts = [...section.querySelectorAll(".part")];
  const limits = new Map();
  const tiny = section.querySelector(".gallery").classList.contains("tiny");

  for (const picture of section.querySelectorAll("img[data-example]")) {
    data.pictures[picture.dataset.example] = picture.src;
  }
  for (const only of section.querySelectorAll("[data-static]")) only.remove();

  // What is asked for; null where nothing is.
  function asked() {
    const column = fields.column.value === "" ? null : data.values[Number(fields.column.value)];
    const bound = (field) => (column && field.value !== "" ? field.valueAsNumber : null);
    return {
      kind: fields.kind.value,
      class: fields.class.value === "" ? null : Number(fields.class.value),
      column,
      from: bound(fields.from),
      to: bound(fields.to),
      order: column ? fields.order.value : "",
    };
  }

  function isAskedFor(number, wish) {
    if (wish.class !== null && !data.classes[number].includes(wish.class)) return false;
    if (wish.from === null && wish.to === null) return true;
    const value = wish.column[number];
    if (value === null) return false;
    return (wish.from === null || value >= wish.from) && (wish.to === null || value <= wish.to);
  }

  function found(kind, wish) {
    const numbers = data.kinds[kind].filter((number) => isAskedFor(number, wish));
    if (wish.order === "") return numbers;
    const sign = wish.order === "descending" ? -1 : 1;
    const value = (number) => wish.column[number] ?? NaN;
    return numbers.sort((a, b) => compared(value(a), value(b), sign));
  }

  function card(number, wish) {
    const name = `${data.labels[number]}, example ${data.ids[number]}`;
    const picture = data.pictures[number]
      ? element("img", { src: data.pictures[number], alt: name, title: data.ids[number] })
      : element("code", { dir: "auto" }, data.ids[number]);
    const button = element("button", { type: "button", "data-example": number }, picture);
    button.addEventListener("click", () => showExample(data, number, tiny));
    const label = element("b", { dir: "auto" }, data.labels[number]);
    const words = element("figcaption", { dir: "auto" }, label, element("br"), data.notes[number]);
    if (wish.column) {
      const column = data.columns[Number(fields.column.value)];
      words.append(element("br"), `${column} ${written(wish.column[number])}`);
    }
    return element("li", {}, element("figure", {}, button, words));
  }

  function count(kind, numbers, shown, wish) {
    const all = data.totals[kind];
    const total = all[wish.class ?? all.length - 1];
    const onPage = data.kinds[kind].filter((number) =>
      isAskedFor(number, { ...wish, from: null, to: null }),
    ).length;
    if (total === 0) return "There are none.";
    if (wish.from !== null || wish.to !== null) {
      return (
        `${counted(shown)} of ${counted(numbers.length)} shown that lie in this range, ` +
        `among the ${counted(onPage)} on this page`
      );
    }
    const rest = onPage < total && shown >= FIRST ? `; ${counted(onPage)} are on this page` : "";
    return `${counted(shown)} of ${counted(total)} shown${rest}`;
  }

  function renderPart(part, wish) {
    const { kind } = part.dataset;
    const list = part.querySelector("ul");
    part.hidden = wish.kind !== "" && wish.kind !== kind;
    if (part.hidden) {
      list.replaceChildren();
      return 0;
    }
    const numbers = found(kind, wish);
    const shown = numbers.slice(0, limits.get(kind) ?? FIRST);
    list.replaceChildren(...shown.map((number) => card(number, wish)));
    list.hidden = shown.length === 0;
    part.querySelector(".count").textContent = count(kind, numbers, shown.length, wish);
    const left = Math.min(MORE, numbers.length - shown.length);
    const more = part.querySelector(".more");
    more.hidden = left === 0;
    more.textContent = `Show ${left} more`;
    return numbers.length;
  }

  function render() {
    const wish = asked();
    form.querySelector("fieldset").disabled = wish.column === null;
    const numbers = parts.map((part) => renderPart(part, wish));
    const different = new Set(
      parts.flatMap((part) => (part.hidden ? [] : found(part.dataset.kind, wish))),
    );
    const all = data.ids.length;
    fields.matching.textContent = `${counted(different.size)} of the ${counted(all)} examples on this page match`;
    return numbers;
  }

  // The range of the chosen column, so that nobody has to guess it.
  function tellRange() {
    const { column } = asked();
    const known = (column ?? []).filter((value) => value !== null);
    fields.from.value = fields.to.value = "";
    fields.from.placeholder = known.length ? written(known.reduce((a, b) => Math.min(a, b))) : "";
    fields.to.placeholder = known.length ? written(known.reduce((a, b) => Math.max(a, b))) : "";
  }

  for (const part of parts) {
    const more = element("button", { type: "button", class: "more" });
    part.append(more);
    more.addEventListener("click", () => {
      const { kind } = part.dataset;
      const before = part.querySelectorAll("li").length;
      limits.set(kind, before + MORE);
      renderPart(part, asked());
      part.querySelectorAll("li button")[before].focus();
    });
  }
  form.addEventListener("input", (event) => {
    limits.clear();
    if (event.target === fields.column) tellRange();
    render();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => {
    limits.clear();
    setTimeout(() => {
      tellRange();
      render();
    });
  });
  // What a browser kept of an earlier visit does not count.
  form.reset();
  form.hidden = false;
  tellRange();
  render();
}

document.body.append(dialog);
for (const note of document.querySelectorAll("[data-script]")) note.hidden = false;
document.querySelectorAll("table[data-sortable]").forEach(sortable);
document.querySelectorAll("[data-gallery]").forEach(gallery);
