// The fairness lab: countries, a line through them, and what the test says, as the reader moves what is true.
(() => {
  const ACCURACY = 0.7;
  const WORLDS = 1000;
  const SLICE = 12; // milliseconds of work between two frames
  const BINS = 40;
  const [DOTS, LINE, WITHIN] = ["#0072B2", "#D55E00", "#009E73"];

  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const number = (value, digits = 4) => value.toFixed(digits).replace("-", "−").replace(/^−(0\.0+)$/, "$1");
  const probability = (p) => (p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(3)}`);
  const interval = ({ low, high }) => `[${number(low)}, ${number(high)}]`;
  const dollars = (log) => {
    const value = Math.exp(log);
    return value >= 1000 ? `$${Math.round(value / 1000)}k` : `$${Math.round(value)}`;
  };

  // The test in words; `like` is the slope within classes, null where classes are not known.
  const words = ({ raw, like, k, n, truth }) => {
    const found = (p) => (p < labs.LEVEL ? "finds a slope" : "finds none");
    const said = [
      `Over ${k} countries and ${n.toLocaleString("en")} images the slope is ${number(raw.slope)}, 95 % interval ${interval(raw)}: F(1, ${raw.freedom}) = ${(raw.t ** 2).toFixed(2)}, ${probability(raw.p)}; the test ${found(raw.p)}.`,
    ];
    if (like) said.push(`Between images of one class it is ${number(like.slope)} ${interval(like)}, ${probability(like.p)}; this test ${found(like.p)}.`);
    if (truth !== null) said.push(`The true slope is ${number(truth, 3)}.`);
    return said.join(" ");
  };

  const lab = (place) => {
    const form = place.querySelector("form");
    const { slope, spread, mix, images } = form.elements;
    const shown = (name) => form.elements[`${name}Shown`];
    const find = (selector) => place.querySelector(selector);
    const speak = labs.spoken(find(".lab-spoken"));
    const world = fairlib.fairness.countries;
    let seed = 1;
    let own = null; // the countries of the reader's audit
    let current; // wealth, n, accuracy, the plan of the adjusted slope
    let stop = () => {};

    const settings = () => ({
      slope: slope.valueAsNumber, spread: spread.valueAsNumber, mix: mix.valueAsNumber,
      images: Math.round(10 ** images.valueAsNumber / 100) * 100,
    });
    const countries = (set) => {
      if (own) return { wealth: own.map((one) => one.wealth), n: own.map(({ n }) => n) };
      // Two images at least, so that every country is seen.
      const n = labs.dealt(set.images, world.map(({ share }) => share)).map((count) => Math.max(2, count));
      return { wealth: world.map((one) => one.wealth), n };
    };

    const measure = ({ wealth, n, counts, plan }, right) => {
      const accuracy = right.map((row, g) => sum(row) / n[g]);
      const raw = labs.regression(wealth, accuracy, n);
      return { accuracy, raw, like: plan && labs.within(plan, right), k: n.length, n: sum(n), counts };
    };

    const update = labs.framewise(() => {
      const set = settings();
      shown("slope").value = number(set.slope, 3);
      shown("spread").value = number(set.spread, 3);
      shown("mix").value = number(set.mix, 2);
      shown("images").value = set.images.toLocaleString("en");
      const { wealth, n } = countries(set);
      let result;
      if (own) {
        current = { wealth, n, plan: null };
        result = measure(current, own.map(({ right }) => [right]));
      } else {
        const counts = labs.classed(wealth, n, set.mix);
        current = { wealth, n, counts, plan: labs.design(wealth, counts) };
        result = measure(current, labs.drawn(wealth, counts, { ...set, accuracy: ACCURACY, source: statistics.randomLcg(seed) }));
      }
      Object.assign(current, result, { n }); // of each country, not of all
      const text = words({ ...result, n: sum(n), truth: own ? null : set.slope });
      find(".lab-answer").textContent = text;
      find("[data-chart=countries]").ariaLabel = `Accuracy of ${n.length} countries against wealth per head, and a line through them. ${text}`;
      speak(text);
      const ends = [Math.min(...wealth), Math.max(...wealth)];
      const order = wealth.map((_, g) => g).sort((a, b) => wealth[a] - wealth[b]);
      const line = order.map((g) => result.raw.intercept + result.raw.slope * wealth[g]);
      const mean = sum(wealth.map((value, g) => value * n[g])) / sum(n);
      const overall = sum(result.accuracy.map((value, g) => value * n[g])) / sum(n);
      const like = order.map((g) => (result.like ? overall + result.like.slope * (wealth[g] - mean) : null));
      current.ends = ends;
      chart.set([order.map((g) => wealth[g]), order.map((g) => result.accuracy[g]), line, like]);
    });

    // Dots whose areas go like the number of images.
    const dots = (plot) => {
      if (!current?.accuracy) return;
      const largest = Math.max(...current.n);
      const ratio = plot.pxRatio ?? devicePixelRatio;
      plot.ctx.fillStyle = `${DOTS}99`;
      current.wealth.forEach((value, g) => {
        plot.ctx.beginPath();
        const radius = (2.5 + 14 * Math.sqrt(current.n[g] / largest)) * ratio;
        plot.ctx.arc(plot.valToPos(value, "x", true), plot.valToPos(current.accuracy[g], "y", true), radius, 0, 2 * Math.PI);
        plot.ctx.fill();
      });
    };
    const chart = labs.chart(
      find("[data-chart=countries]"),
      {
        height: 300,
        scales: {
          x: { time: false, range: (_, low, high) => [low - 0.3, high + 0.3] },
          y: { range: (_, low, high) => [Math.max(0, Math.min(0.4, low - 0.05)), Math.min(1, Math.max(1, high + 0.05))] },
        },
        axes: [
          { label: "wealth: GDP per head", values: (_, ticks) => ticks.map(dollars) },
          { label: "accuracy", size: 60 },
        ],
        series: [{}, { stroke: "transparent", points: { show: false } }, { stroke: LINE, width: 2, points: { show: false } }, { stroke: WITHIN, width: 2, dash: [6, 4], points: { show: false } }],
        hooks: { drawSeries: [(plot, i) => i === 1 && dots(plot)] },
      },
      [[7, 12], [null, null], [null, null], [null, null]],
    );

    // --- A thousand worlds. -------------------------------------------------------------------------------------------
    const histogram = find("[data-chart=slopes]");
    let bars;
    const binned = (slopes) => {
      const [low, high] = [Math.min(0, ...slopes), Math.max(0, ...slopes)];
      const width = (high - low) / BINS || 1;
      const counts = Array(BINS).fill(0);
      for (const value of slopes) counts[Math.min(BINS - 1, Math.floor((value - low) / width))] += 1;
      return [counts.map((_, i) => low + (i + 0.5) * width), counts];
    };
    const draw = (slopes) => {
      histogram.hidden = false;
      bars ??= labs.chart(
        histogram,
        {
          scales: { x: { time: false }, y: { range: (_, __, high) => [0, high || 1] } },
          axes: [{ label: "slope that is found in a world" }, { label: "number of worlds", size: 60 }],
          series: [{}, { stroke: DOTS, fill: `${DOTS}99`, paths: uPlot.paths.bars({ size: [1] }), points: { show: false } }],
        },
        binned(slopes),
      );
      bars.set(binned(slopes));
    };
    const thousand = () => {
      stop();
      const set = own ? { slope: 0, spread: 0, mix: 0 } : settings();
      const base = current;
      const counts = base.counts ?? base.n.map((n) => [0, n, 0]); // an audit's countries: no class is known
      const level = own ? sum(own.map(({ right }) => right)) / sum(base.n) : ACCURACY;
      const [slopes, rejected] = [[], { raw: 0, like: 0 }];
      const source = statistics.randomLcg(seed);
      let stopped = false;
      stop = () => (stopped = true);
      place.dataset.worlds = 0;
      const share = (count) => {
        const [low, high] = labs.wilson(count, slopes.length).map((end) => (100 * end).toFixed(1));
        return `${((100 * count) / slopes.length).toFixed(1)} % of ${slopes.length} worlds (95 % interval ${low} to ${high} %)`;
      };
      const go = () => {
        if (stopped) return;
        const until = performance.now() + SLICE;
        while (slopes.length < WORLDS && performance.now() < until) {
          const right = labs.drawn(base.wealth, counts, { ...set, accuracy: level, source });
          const { accuracy, raw, like } = measure(base, right);
          if (new Set(accuracy).size < 2) continue;
          slopes.push(raw.slope);
          rejected.raw += raw.p < labs.LEVEL;
          rejected.like += Boolean(like && like.p < labs.LEVEL);
        }
        const said = [`The test of the raw slope rejects "no slope" in ${share(rejected.raw)}.`];
        if (base.plan) said.push(`The test within classes does so in ${share(rejected.like)}.`);
        const what = own ? "If all countries of this audit were served alike, that would be a false alarm" : set.slope === 0 ? "The true slope is zero: each is a false alarm, and five in a hundred are allowed" : `The true slope is ${number(set.slope, 3)}: this is the test's power`;
        said.push(`${what}.`);
        find(".lab-worlds").textContent = said.join(" ");
        const done = slopes.length === WORLDS;
        if (done || !labs.still()) draw(slopes);
        histogram.ariaLabel = `Histogram of ${slopes.length} slopes, from ${number(Math.min(...slopes))} to ${number(Math.max(...slopes))}. ${said[0]}`;
        place.dataset.worlds = slopes.length;
        if (done) speak(said.join(" "));
        else setTimeout(() => requestAnimationFrame(go));
      };
      go();
    };

    // --- What the reader does. ----------------------------------------------------------------------------------------
    const alert = find(".lab-alert");
    const back = find("[name=simulated]");
    const use = (found, sentence) => {
      own = found;
      alert.textContent = sentence;
      back.hidden = !found;
      for (const input of [slope, spread, mix, images, find("[name=another]")]) input.disabled = Boolean(found);
      stop();
      update();
    };
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => {
      stop();
      update();
    });
    find("[name=another]").addEventListener("click", () => {
      seed += 1;
      update();
    });
    find("[name=thousand]").addEventListener("click", thousand);
    back.addEventListener("click", () => use(null, ""));
    find("[name=file]").addEventListener("change", async ({ target }) => {
      const [file] = target.files;
      if (!file) return;
      try {
        const found = labs.audited(await file.text());
        use(found, `${file.name}: ${found.length} countries. What classes its images show is not in the report, so that only the raw slope is shown.`);
      } catch (error) {
        alert.textContent = error.message;
      }
    });

    form.reset();
    update();
    place.dataset.ready = true;
  };

  labs.start("fairness", lab);
})();
