"use strict";
document.documentElement.classList.add("js");
for (const input of document.querySelectorAll("input[data-filter]")) {
  const table = document.getElementById(input.dataset.filter);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
}
for (const head of document.querySelectorAll("table[data-sort] th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const at = head.cellIndex, body = head.closest("table").tBodies[0];
    const key = (row) => row.cells[at].dataset.key ?? row.cells[at].textContent.trim();
    const by = new Intl.Collator("en", { numeric: true }).compare;
    const rows = [...body.rows].sort((a, b) => (up ? 1 : -1) * by(key(a).replaceAll(",", ""), key(b).replaceAll(",", "")));
    body.append(...rows);
  });
}
