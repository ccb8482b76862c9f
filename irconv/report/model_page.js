"use strict";
const words = document.getElementById("words"), found = document.getElementById("found");
const layers = [...document.querySelectorAll("details.layer")], boxes = [...document.querySelectorAll(".net a")];

function search() {
  const wanted = words.value.trim().toLowerCase();
  let count = 0, first = null;
  for (const layer of layers) {
    layer.hidden = wanted !== "" && !layer.dataset.words.includes(wanted);
    count += layer.hidden ? 0 : 1;
  }
  for (const box of boxes) {
    const named = wanted === "" || box.dataset.words.includes(wanted);
    box.classList.toggle("faint", !named);
    if (wanted && named && first === null) first = box;
  }
  found.textContent = wanted ? `${count} of ${layers.length}` : "";
  if (first !== null) show(first);
}

function show(box) {
  const pane = document.querySelector(".graph"), at = box.getBoundingClientRect(), inside = pane.getBoundingClientRect();
  pane.scrollTop += at.top - inside.top - pane.clientHeight / 2;
  pane.scrollLeft += at.left - inside.left - pane.clientWidth / 2 + at.width / 2;
}

function open() {
  const chosen = location.hash ? document.getElementById(location.hash.slice(1)) : null;
  if (chosen === null) return;
  chosen.hidden = false;
  chosen.open = true;
  chosen.scrollIntoView({ block: "start" });
  for (const box of boxes) box.classList.toggle("chosen", box.getAttribute("href") === location.hash);
}

words.addEventListener("input", search);
document.querySelector("form.tools").addEventListener("submit", (event) => event.preventDefault());
document.getElementById("unfold").addEventListener("click", () => {
  const closed = layers.some((layer) => !layer.open && !layer.hidden);
  for (const layer of layers) layer.open = closed;
});
for (const layer of layers) {
  layer.addEventListener("toggle", () => {
    const box = boxes.find((one) => one.getAttribute("href") === `#${layer.id}`);
    if (box) box.classList.toggle("chosen", layer.open);
  });
}
window.addEventListener("hashchange", open);
open();
