"use strict";
// Numbers of the figures' marks: under the pointer, and along the arrow keys. What is said of a mark stands in the
// row of the figure's table that has its place.
(() => {
  const told = document.getElementById("told");
  const NEAR = 30;
  let shown = null;

  const hide = () => {
    if (!shown) return;
    shown.ring.remove();
    told.replaceChildren();
    shown = null;
  };

  // The cells with words name the mark; each number follows its column's title.
  const say = (table, row) => {
    const titles = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
    const cells = [...row.cells].map((cell, i) => [cell, titles[i], cell.textContent]);
    const filled = cells.filter(([, , text]) => text !== "-");
    const line = (tag, text) => {
      const element = document.createElement(tag);
      element.textContent = text;
      return element;
    };
    const names = filled.filter(([cell]) => !cell.classList.contains("n"));
    const numbers = filled.filter(([cell]) => cell.classList.contains("n"));
    told.replaceChildren(
      line("b", names.map(([, , text]) => text).join(", ")),
      ...numbers.map(([, title, text]) => line("span", `${title}: ${text}`)),
    );
  };

  const scale = (svg) => svg.viewBox.baseVal.width / svg.getBoundingClientRect().width;

  const show = (svg, places, table, i) => {
    if (shown && shown.svg === svg && shown.i === i) return;
    hide();
    const [x, y, width, height] = places[i];
    const ring = document.createElementNS(svg.namespaceURI, "rect");
    const box = { class: "ring", x: x - 5, y: y - 5, width: width + 10, height: height + 10, rx: 4 };
    for (const [name, value] of Object.entries(box)) ring.setAttribute(name, value);
    svg.append(ring);
    say(table, table.tBodies[0].rows[i]);
    shown = { svg, i, ring };
    settle();
  };

  // Above the mark where there is room, within the window.
  const settle = () => {
    if (!shown) return;
    const at = shown.ring.getBoundingClientRect();
    const within = (wanted, most) => Math.max(8, Math.min(wanted, most - 8));
    const above = at.top - told.offsetHeight - 8;
    told.style.left = `${within(at.left + at.width / 2 - told.offsetWidth / 2, innerWidth - told.offsetWidth)}px`;
    told.style.top = `${above > 8 ? above : within(at.bottom + 8, innerHeight - told.offsetHeight)}px`;
  };

  for (const figure of document.querySelectorAll("figure")) {
    const svg = figure.querySelector("svg[data-told]");
    const table = figure.querySelector("table");
    if (!svg || !table) continue;
    const places = svg.dataset.told.split(" ").map((place) => place.split(",").map(Number));
    const box = svg.parentElement;

    const nearest = (event) => {
      const frame = svg.getBoundingClientRect();
      const [x, y] = [(event.clientX - frame.left) * scale(svg), (event.clientY - frame.top) * scale(svg)];
      const outside = (at, from, length) => Math.max(from - at, 0, at - from - length);
      let best = { i: -1, distance: NEAR, middle: Infinity };
      places.forEach(([left, top, width, height], i) => {
        const distance = Math.hypot(outside(x, left, width), outside(y, top, height));
        const middle = Math.hypot(x - left - width / 2, y - top - height / 2);
        const closer = distance < best.distance || (distance === best.distance && middle < best.middle);
        if (closer) best = { i, distance, middle };
      });
      if (best.i < 0) hide();
      else show(svg, places, table, best.i);
    };
    svg.addEventListener("pointermove", nearest);
    svg.addEventListener("pointerdown", nearest);
    svg.addEventListener("pointerleave", (event) => {
      // A finger that is lifted leaves, too.
      if (event.pointerType === "mouse") hide();
    });

    box.addEventListener("keydown", (event) => {
      const at = shown && shown.svg === svg ? shown.i : null;
      const last = places.length - 1;
      const to = {
        ArrowRight: at === null ? 0 : Math.min(at + 1, last),
        ArrowLeft: at === null ? last : Math.max(at - 1, 0),
        Home: 0,
        End: last,
      }[event.key];
      if (event.key === "Escape") hide();
      if (to === undefined) return;
      event.preventDefault();
      show(svg, places, table, to);
      shown.ring.scrollIntoView({ block: "nearest", inline: "nearest" });
      settle();
    });
    box.addEventListener("blur", hide);
  }

  addEventListener("scroll", settle, { capture: true, passive: true });

  // A link to a figure opens what it lies in.
  const open = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let at = target; at; at = at.parentElement) {
      if (at.tagName === "DETAILS") at.open = true;
    }
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", open);
  if (location.hash) open();
})();
