"use strict";
const words = document.getElementById("words"), found = document.getElementById("found");
const rows = [...document.querySelectorAll("[data-words]")];

function show() {
  const wanted = words.value.trim().toLowerCase();
  for (const row of rows) row.hidden = !row.dataset.words.includes(wanted);
  found.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
}

words.addEventListener("input", show);
document.querySelector("form.tools").addEventListener("submit", (event) => event.preventDefault());
show();
