// The frontiers: points of the book's figures that can be pointed at, filtered, and followed to their row in the ledger.
(() => {
  const NEAR = 30; // pixels within which a point is meant
  const ROOT = "../../";
  const LEDGER = `${ROOT}notebooks/ledger.html`;
  const MARKS = ["circle", "square", "diamond", "triangle"];

  const element = (name, text = "", more = {}) => Object.assign(document.createElement(name), { textContent: text }, more);
  const shown = (value) => value.toFixed(4).replace("-", "−");
  const interval = ([value, low, high]) => (low === high ? shown(value) : `${shown(value)} [${shown(low)}, ${shown(high)}]`);

  const mark = (context, kind, x, y, size) => {
    context.beginPath();
    if (kind === "circle") context.arc(x, y, size, 0, 2 * Math.PI);
    else {
      const corners = { square: [[-1, -1], [1, -1], [1, 1], [-1, 1]], diamond: [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]], triangle: [[0, -1.2], [1.1, 0.9], [-1.1, 0.9]] }[kind];
      corners.forEach(([a, b], i) => context[i ? "lineTo" : "moveTo"](x + a * size, y + b * size));
      context.closePath();
    }
  };

  const lab = (place) => {
    const { charts } = fairlib.frontiers;
    const find = (selector) => place.querySelector(selector);
    const form = find("form");
    const { chart: select, bars } = form.elements;
    const filters = find("[data-part=series]");
    const speak = labs.spoken(find(".lab-spoken"));
    let current, visible, meant, drawn, plot;

    select.replaceChildren(...charts.map(({ title }, i) => element("option", title, { value: i })));

    const words = (point) => `${point.series}, ${point.what}: ${current.x} ${interval(point.x)}, ${current.y} ${interval(point.y)}.`;
    const names = () => [...new Set(current.points.map(({ series }) => series))];

    // Only the chart is drawn anew where a point is meant; the table where other points are shown.
    const paint = (now) => {
      drawn = now;
      if (!visible) return;
      const { ctx } = now;
      const ratio = now.pxRatio ?? devicePixelRatio;
      const at = ({ x, y }) => [now.valToPos(x[0], "x", true), now.valToPos(y[0], "y", true)];
      ctx.save();
      ctx.lineWidth = ratio;
      for (const name of names()) {
        const points = visible.filter(({ series }) => series === name);
        if (!points.length) continue;
        Object.assign(ctx, { strokeStyle: points[0].colour, fillStyle: points[0].colour });
        if (current.joined) {
          ctx.beginPath();
          points.forEach((point, i) => ctx[i ? "lineTo" : "moveTo"](...at(point)));
          ctx.stroke();
        }
        for (const point of points) {
          const [x, y] = at(point);
          if (bars.checked) {
            ctx.beginPath();
            for (const [from, to] of [[[point.x[1], point.y[0]], [point.x[2], point.y[0]]], [[point.x[0], point.y[1]], [point.x[0], point.y[2]]]]) {
              ctx.moveTo(now.valToPos(from[0], "x", true), now.valToPos(from[1], "y", true));
              ctx.lineTo(now.valToPos(to[0], "x", true), now.valToPos(to[1], "y", true));
            }
            ctx.stroke();
          }
          mark(ctx, MARKS[names().indexOf(name) % MARKS.length], x, y, (point === meant ? 8 : 4.5) * ratio);
          ctx.fill();
          if (point === meant) {
            Object.assign(ctx, { strokeStyle: labs.colour("--pst-color-text-base"), lineWidth: 2 * ratio });
            ctx.stroke();
            Object.assign(ctx, { strokeStyle: point.colour, lineWidth: ratio });
          }
        }
      }
      ctx.restore();
    };
    const extent = (axis) => {
      const values = (visible?.length ? visible : [{ x: [0, 0, 1], y: [0, 0, 1] }]).flatMap((point) => point[axis]);
      const [low, high] = [Math.min(...values), Math.max(...values)];
      const pad = 0.05 * (high - low) || 0.05;
      return [low - pad, high + pad];
    };

    const mean = (point) => {
      if (point === meant) return;
      meant = point;
      plot.redraw();
      for (const row of find("tbody").rows) row.classList.toggle("lab-winner", visible[row.dataset.i] === meant);
      find(".lab-answer").textContent = point ? words(point) : current.basis;
      if (point) speak(words(point));
    };
    const nearest = ({ clientX, clientY }) => {
      const box = drawn.over.getBoundingClientRect();
      const off = (point) => Math.hypot(drawn.valToPos(point.x[0], "x") - (clientX - box.left), drawn.valToPos(point.y[0], "y") - (clientY - box.top));
      const [best] = [...visible].sort((a, b) => off(a) - off(b));
      return best && off(best) < NEAR ? best : null;
    };

    const tabled = () => {
      const head = element("tr");
      head.append(...["Series", "Point", current.x, current.y, "Check"].map((text) => element("th", text, { scope: "col" })));
      find("thead").replaceChildren(head);
      find("caption").textContent = `${current.title}: ${visible.length} of ${current.points.length} points. ${current.basis}`;
      find("tbody").replaceChildren(
        ...visible.map((point, i) => {
          const row = element("tr");
          row.dataset.i = i;
          const check = element("td");
          const [href, text] = point.claim ? [`${LEDGER}#${point.claim}`, "the ledger's row"] : [ROOT + current.page, "its chapter"];
          check.append(element("a", text, { href, ariaLabel: `${text}, for ${point.series}, ${point.what}` }));
          row.append(element("th", point.series, { scope: "row" }), element("td", point.what), element("td", interval(point.x)), element("td", interval(point.y)), check);
          row.addEventListener("focusin", () => mean(point));
          row.addEventListener("pointerenter", () => mean(point));
          return row;
        }),
      );
    };
    const filtered = () => {
      const on = new Set([...filters.querySelectorAll("input:checked")].map(({ value }) => value));
      visible = current.points.filter(({ series }) => on.has(series));
      meant = null;
      const sorted = [...visible].sort((a, b) => a.x[0] - b.x[0]);
      plot.set(sorted.length ? [sorted.map(({ x }) => x[0]), sorted.map(({ y }) => y[0])] : [[0, 1], [null, null]]);
      tabled();
      const text = `${current.y} against ${current.x}: ${visible.length} points of ${on.size} series.`;
      find(".lab-chart").ariaLabel = `${text} The table below has them.`;
      find(".lab-answer").textContent = current.basis;
      speak(text);
    };
    const charted = () => {
      current = charts[select.value];
      filters.replaceChildren(
        filters.querySelector("legend"),
        ...names().map((name) => {
          const label = element("label");
          const { colour } = current.points.find(({ series }) => series === name);
          const swatch = element("span", "", { className: "lab-swatch" });
          swatch.style.background = colour;
          label.append(element("input", "", { type: "checkbox", value: name, checked: true, defaultChecked: true }), " ", swatch, ` ${name}`);
          return label;
        }),
      );
      visible = [];
      plot.titled(current.x, current.y);
      filtered();
    };

    plot = labs.chart(
      find(".lab-chart"),
      {
        height: 320,
        scales: { x: { time: false, range: () => extent("x") }, y: { range: () => extent("y") } },
        axes: [{ label: "accuracy" }, { label: "slope", size: 70 }],
        series: [{}, { stroke: "transparent", points: { show: false } }],
        hooks: { draw: [paint] },
      },
      [[0, 1], [null, null]],
    );
    const area = find(".lab-chart");
    area.addEventListener("pointermove", (event) => mean(nearest(event)));
    area.addEventListener("pointerleave", ({ pointerType }) => pointerType === "mouse" && mean(null));
    // A point that is meant already is followed: by a click where the pointer was, by a second tap.
    let before;
    area.addEventListener("pointerdown", () => { before = meant; });
    area.addEventListener("click", (event) => {
      const point = nearest(event);
      if (point && point === before) find(`tr[data-i="${visible.indexOf(point)}"] a`).click();
      else mean(point);
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    select.addEventListener("change", charted);
    filters.addEventListener("change", filtered);
    bars.addEventListener("change", () => plot.redraw());

    form.reset();
    charted();
    place.dataset.ready = true;
  };

  labs.start("frontiers", lab);
})();
