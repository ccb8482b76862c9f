"use strict";
const words = document.getElementById("words"), same = document.getElementById("same");
const modules = [...document.querySelectorAll("details.module")];

function show() {
  const wanted = words.value.trim().toLowerCase();
  for (const item of document.querySelectorAll("[data-name]")) {
    const named = !wanted || item.dataset.name.includes(wanted);
    item.hidden = !named || (!same.checked && item.dataset.same === "1");
  }
  for (const module of modules) {
    const inside = [...module.querySelectorAll("[data-name]")].some((item) => !item.hidden);
    module.hidden = !inside && (wanted !== "" || module.dataset.weights === "0");
    if (wanted && inside) module.open = true;
  }
}

words.addEventListener("input", show);
same.addEventListener("change", show);
document.querySelector("form.tools").addEventListener("submit", (event) => event.preventDefault());
document.getElementById("unfold").addEventListener("click", () => {
  const open = modules.some((module) => !module.open && !module.hidden);
  for (const module of modules) module.open = open;
});
show();
