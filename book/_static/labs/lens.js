// The perturbation lens: a photograph, under a movable lens the same after an attack, and where each distance sees it.
(() => {
  const STEP = 2; // pixels of the picture that an arrow key moves the lens
  const LEAP = 12; // with Shift
  const CHANGE = "Change";
  const FULL = 0.02; // share of a map's cells that are shown at full brightness
  // Cividis at nine places from 0 to 1, which those who see no red or green read as well.
  const SCALE = [[0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115], [138, 134, 120], [166, 157, 117], [197, 181, 103], [254, 232, 56]];

  const element = (name, text = "", more = {}) => Object.assign(document.createElement(name), { textContent: text }, more);
  const shade = (value) => {
    const at = Math.max(0, Math.min(1, value)) * (SCALE.length - 1);
    const i = Math.min(SCALE.length - 2, Math.floor(at));
    return SCALE[i].map((low, channel) => Math.round(low + (at - i) * (SCALE[i + 1][channel] - low)));
  };

  // The largest change of a channel in each pixel, in levels.
  const moved = (clean, changed) =>
    Float64Array.from({ length: clean.length / 3 }, (_, i) =>
      Math.max(...[0, 1, 2].map((channel) => Math.abs(changed[3 * i + channel] - clean[3 * i + channel]))),
    );

  // What a map's values are divided by for display: all but its brightest cells lie below.
  const brightest = (values) => [...values].sort((a, b) => b - a)[Math.floor(FULL * values.length)] || Math.max(...values) || 1;
  const rounded = (factor) => (factor < 10 ? factor.toPrecision(2) : Math.round(factor));

  // Inside the circle the pixels of one picture, elsewhere those of another; on the circle's edge white and black.
  const looked = (outside, inside, side, { x, y, radius }) => {
    const seen = Uint8ClampedArray.from(outside);
    for (let i = 0; i < side * side; i++) {
      const off = Math.hypot((i % side) - x, Math.floor(i / side) - y) - radius;
      if (off > 1) continue;
      const from = off > 0 ? [255, 255, 255] : off > -1 ? [0, 0, 0] : inside.subarray(3 * i, 3 * i + 3);
      seen.set(from, 3 * i);
    }
    return seen;
  };

  const lab = async (place) => {
    const { methods, names, photographs, table, side } = fairlib.attacked;
    const { cell, judges, sheets } = fairlib.lens;
    const find = (selector) => place.querySelector(selector);
    const form = find("form");
    const { photograph, method, size, times, timesShown, width, widthShown } = form.elements;
    const stage = find(".lab-stage");
    const speak = labs.spoken(find(".lab-spoken"));
    const windows = await Promise.all(photographs.map((one) => labs.opened(one, methods)));
    const maps = await Promise.all(sheets.map((sheet) => labs.grid(sheet, judges.length, methods.length, side / cell)));
    const lens = { x: side / 2, y: side / 2, radius: 24 };

    photograph.replaceChildren(...photographs.map((one, i) => element("option", one.class, { value: i })));
    method.replaceChildren(...methods.map((name) => element("option", names[name], { value: name })));
    const figures = Object.fromEntries(
      [CHANGE, ...judges].map((name) => {
        const [figure, caption] = [element("figure"), element("figcaption")];
        const sides = name === CHANGE ? side : side / cell;
        const canvas = Object.assign(element("canvas"), { width: sides, height: sides });
        canvas.setAttribute("role", "img");
        canvas.dataset.picture = name;
        figure.append(canvas, caption);
        find(".lab-maps").append(figure);
        return [name, { canvas, caption }];
      }),
    );

    const row = (name) => table.find((one) => one.photograph === Number(photograph.value) && one.method === name && one.size === size.value);
    const changed = (name, factor = 1) => {
      const { clean, changes } = windows[photograph.value];
      return labs.scaled(clean, changes[name], row(name).scale * factor);
    };
    let current;

    // Once for each picture, attack and size: the maps and the words.
    const chosen = labs.framewise(() => {
      const { clean } = windows[photograph.value];
      const largest = Math.max(...methods.map((name) => Math.max(...moved(clean, changed(name)))));
      const levels = moved(clean, changed(method.value));
      const told = row(method.value);
      const m = methods.indexOf(method.value);
      const top = brightest(levels);
      labs.paint(figures[CHANGE].canvas, [...levels].flatMap((value) => shade(value / top)));
      figures[CHANGE].caption.textContent = `${CHANGE}: L2 ${told.distances.L2.toPrecision(3)}, at most ${Math.max(...levels)} of 255 levels; brightened ${rounded(largest / top)} times`;
      const own = size.value === "own";
      judges.forEach((name, j) => {
        const { canvas, caption } = figures[name];
        const values = maps[photograph.value][m][j];
        const full = brightest(values);
        labs.paint(canvas, [...values].flatMap((value) => (own ? shade(value / full) : [128, 128, 128])));
        caption.textContent = `${name} ${told.distances[name].toPrecision(3)}${own ? `, brightened ${rounded(255 / full)} times` : ", no map at equal L2"}`;
      });
      const share = levels.filter((value) => value > 0).length / levels.length;
      const parts = judges.map((name) => `${name} ${told.distances[name].toPrecision(3)}`).join(", ");
      const words = `${names[method.value]} changes ${labs.percent(share)} of the pixels of this window, the largest by ${Math.max(...levels)} of 255 levels. L2 ${told.distances.L2.toPrecision(3)}, ${parts}.`;
      find(".lab-answer").textContent = words;
      for (const [name, { canvas }] of Object.entries(figures)) {
        canvas.ariaLabel = `Where ${name === CHANGE ? "pixels change" : `${name} sees the change`}: ${most(name, levels, m)}`;
      }
      speak(words);
      draw();
    });
    // In which ninth of the window a map is brightest, in words.
    const most = (name, levels, m) => {
      const [values, sides] = name === CHANGE ? [levels, side] : [maps[photograph.value][m][judges.indexOf(name)], side / cell];
      const ninths = Array(9).fill(0);
      values.forEach((value, i) => (ninths[3 * Math.floor((3 * Math.floor(i / sides)) / sides) + Math.floor((3 * (i % sides)) / sides)] += value));
      const at = ninths.indexOf(Math.max(...ninths));
      const total = ninths.reduce((sum, value) => sum + value, 0);
      if (!total) return "nowhere";
      return `most, ${labs.percent(ninths[at] / total)}, ${["at the top", "in the middle", "at the bottom"][Math.floor(at / 3)]} ${["left", "centre", "right"][at % 3]}`;
    };

    const draw = labs.framewise(() => {
      timesShown.value = times.value;
      widthShown.value = width.value;
      lens.radius = width.valueAsNumber / 2;
      const { clean } = windows[photograph.value];
      current = looked(clean, changed(method.value, times.valueAsNumber), side, lens);
      labs.paint(stage, current);
      stage.ariaLabel = `${photographs[photograph.value].class}; the lens at ${Math.round(lens.x)}, ${Math.round(lens.y)} of ${side}, the change ${times.value} times`;
    });
    const move = (x, y) => {
      [lens.x, lens.y] = [x, y].map((value) => Math.max(0, Math.min(side - 1, value)));
      draw();
    };

    form.addEventListener("submit", (event) => event.preventDefault());
    for (const input of [photograph, method, size]) input.addEventListener("change", chosen);
    for (const input of [times, width]) input.addEventListener("input", draw);
    const pointed = ({ clientX, clientY }) => {
      const box = stage.getBoundingClientRect();
      move(((clientX - box.left) / box.width) * side, ((clientY - box.top) / box.height) * side);
    };
    stage.addEventListener("pointermove", pointed);
    stage.addEventListener("pointerdown", pointed);
    const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    stage.addEventListener("keydown", (event) => {
      if (!(event.key in ARROWS)) return;
      const [x, y] = ARROWS[event.key].map((way) => way * (event.shiftKey ? LEAP : STEP));
      move(lens.x + x, lens.y + y);
      event.preventDefault();
    });

    form.reset();
    chosen();
    place.dataset.ready = true;
  };

  labs.start("lens", lab);
})();
