"use strict";
// One moment in all plots at once: the pointer or the arrow keys choose it, each plot tells its values there.
// The page says everything without this too.
(() => {
  const numbers = (text) => text.split(" ").map(Number);

  const plots = [...document.querySelectorAll("svg.plot")].map((svg) => {
    const [left, right, top, bottom] = numbers(svg.dataset.box);
    const [from, to] = numbers(svg.dataset.time);
    const [low, high] = numbers(svg.dataset.values);
    const lines = [...svg.querySelectorAll("path[data-name]")].map((path) => ({
      name: path.dataset.name,
      points: [...path.getAttribute("d").matchAll(/[ML](-?[\d.]+),(-?[\d.]+)/g)].map((m) => [Number(m[1]), Number(m[2])]),
    }));
    const cross = document.createElementNS(svg.namespaceURI, "line");
    cross.setAttribute("class", "cross");
    cross.setAttribute("y1", top);
    cross.setAttribute("y2", bottom);
    cross.setAttribute("visibility", "hidden");
    svg.append(cross);
    const readout = document.createElement("p");
    readout.className = "readout";
    svg.closest("figure").append(readout);
    return { svg, left, right, top, bottom, from, to, low, high, lines, cross, readout, unit: svg.dataset.unit };
  });

  const value = (plot, y) => plot.low + ((plot.bottom - y) / (plot.bottom - plot.top)) * (plot.high - plot.low);
  const short = (n) => n.toFixed(Math.abs(n) < 10 ? 2 : Math.abs(n) < 100 ? 1 : 0);

  const show = (time) => {
    for (const plot of plots) {
      const x = plot.left + ((time - plot.from) / (plot.to - plot.from)) * (plot.right - plot.left);
      plot.cross.setAttribute("x1", x);
      plot.cross.setAttribute("x2", x);
      plot.cross.setAttribute("visibility", "visible");
      const words = plot.lines.flatMap((line) => {
        const near = line.points.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a), [-1e9, 0]);
        return Math.abs(near[0] - x) <= 8 ? [`${line.name} ${short(value(plot, near[1]))} ${plot.unit}`] : [];
      });
      plot.readout.textContent = `${(time / 1000).toFixed(1)} s: ${words.join(", ") || "nothing measured"}`;
    }
  };

  const hide = () => {
    for (const plot of plots) {
      plot.cross.setAttribute("visibility", "hidden");
      plot.readout.textContent = "";
    }
  };

  for (const plot of plots) {
    let time = plot.from;
    const go = (wanted) => {
      time = Math.min(plot.to, Math.max(plot.from, wanted));
      show(time);
    };
    plot.svg.addEventListener("pointermove", (event) => {
      const box = plot.svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * plot.svg.viewBox.baseVal.width;
      go(plot.from + ((x - plot.left) / (plot.right - plot.left)) * (plot.to - plot.from));
    });
    plot.svg.addEventListener("pointerleave", hide);
    const frame = plot.svg.parentElement;
    frame.addEventListener("keydown", (event) => {
      const step = (plot.to - plot.from) / 100;
      const move = { ArrowLeft: -step, ArrowRight: step }[event.key];
      // Where there is something to scroll, the keys scroll.
      if (move === undefined || frame.scrollWidth > frame.clientWidth) return;
      event.preventDefault();
      plot.readout.setAttribute("role", "status");
      go(time + move);
    });
    frame.addEventListener("blur", hide);
  }
})();
