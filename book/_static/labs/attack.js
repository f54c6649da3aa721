// The attack lab: one image, one network, one attack, and the defence's votes, as the reader moves them.
(() => {
  const TAPS = {
    FullyConnected: ["in", "1", "2", "3", "4", "5", "out"],
    LeNet5: ["conv1", "conv2", "fc1", "fc2", "fc3", "out"],
  };
  const BUDGET = 12; // milliseconds of PGD between two frames

  const element = (name, text = "", more = {}) => Object.assign(document.createElement(name), { textContent: text }, more);
  const several = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
  const listed = (names) => (names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0]);

  // Why a class won, in words: the vote, the number of layers, the classes' names, and the rule for ties.
  const why = ({ votes, none, most, tied, winner }, layers, names, ties) => {
    const [of, all] = [(count) => `${count} of ${several(layers, "layer")}`, tied.map((j) => names[j])];
    if (winner === labs.NOBODY) {
      return `The defence says nobody: ${of(none)} find no class close enough, and no class has more than ${several(most, "vote")}.`;
    }
    if (tied.length > 1) {
      const rule = ties === "closest" ? "the closest on average wins" : `the ${ties} wins`;
      return `The defence says ${names[winner]}: ${listed(all)} have ${several(most, "vote")} each, and of those that tie ${rule}.`;
    }
    const next = Math.max(...votes.filter((_, j) => j !== winner));
    const second = votes.flatMap((count, j) => (count === next && j !== winner ? [names[j]] : []));
    const rest = next ? `next ${second.length > 1 ? "come" : "comes"} ${listed(second)} with ${several(next, "vote")}` : "no other class has a vote";
    return `The defence says ${names[winner]}: ${of(most)} find it close enough; ${rest}.`;
  };

  const lab = (place) => {
    const [form, rules] = place.querySelectorAll("form");
    const { set, image, file, truth, network, attack, iterations, eps, epsShown } = form.elements;
    const find = (selector) => place.querySelector(selector);
    const canvas = Object.fromEntries([...place.querySelectorAll("[data-picture]")].map((c) => [c.dataset.picture, c]));
    const alert = find(".lab-alert");
    const speak = labs.spoken(find(".lab-spoken"));
    const { networks, sets } = fairlib.attack;
    const pixels = {};
    for (const [name, { images, centroids }] of Object.entries(sets)) {
      pixels[name] = [images, centroids].map((text) => Float32Array.from(labs.bytes(text), (byte) => byte / 255));
    }
    const kept = {}; // networks and what looks through them, once made
    const made = () => {
      const key = `${network.value}/${set.value}`;
      return (kept[key] ??= (() => {
        const net = labs.network(network.value, networks[key]);
        return { net, look: labs.looker(net, labs.images(pixels[set.value][1])) };
      })());
    };

    let own = null; // pixels of the reader's own picture
    let last; // the number of the test image that is shown
    let x, y, direction, point, steps, sweeping, rows, clean;
    const names = () => sets[set.value].classes;

    const alphas = () => [...rules.querySelectorAll("[name=alpha]")].map(({ valueAsNumber }) => valueAsNumber);
    const chosen = () => {
      const { ties, strict, nobody } = rules.elements;
      return { ties: ties.value, strict: strict.checked, nobody: nobody.checked };
    };

    // The table is laid anew for each network and data set, and filled whenever something moves.
    const lay = () => {
      const heads = ["Class", ...TAPS[network.value], "Votes", "Network"];
      const head = element("tr");
      head.append(...heads.map((text) => element("th", text, { scope: "col" })));
      find("thead").replaceChildren(head);
      rows = names().map((name) => {
        const row = element("tr");
        row.append(element("th", name, { scope: "row" }), ...heads.slice(1).map(() => element("td")));
        return row;
      });
      find("tbody").replaceChildren(...rows);
    };
    const fill = (distance, { fair, votes, winner }, answer) => {
      rows.forEach((row, j) => {
        row.classList.toggle("lab-winner", j === winner);
        const cells = row.querySelectorAll("td");
        distance.forEach((layer, i) => {
          cells[i].textContent = `${fair[i][j] ? "● " : ""}${layer[j].toFixed(2)}`;
          cells[i].classList.toggle("lab-vote", fair[i][j]);
        });
        cells[distance.length].textContent = votes[j];
        cells[distance.length + 1].textContent = labs.percent(Math.exp(answer[j]));
      });
    };

    const draw = () => {
      const { look } = made();
      const { answers, distances } = look(point);
      const [distance, answer, size] = [distances[0], answers[0], eps.valueAsNumber];
      const result = labs.vote(distance, alphas(), chosen());
      const [before, after] = [x.dataSync(), point.dataSync()];
      labs.show(canvas.attacked, after, labs.grey);
      labs.show(canvas.change, after.map((value, i) => (size ? (value - before[i]) / size : 0)), labs.signed);
      fill(distance, result, answer);
      const says = labs.argmax(answer);
      const sure = labs.percent(Math.exp(answer[says]));
      const taken = attack.value === "pgd" && size ? `, after step ${steps} of ${iterations.value}` : "";
      const first = `Unattacked, the network says ${names()[clean.says]} (${clean.sure}).`;
      const then = `With no pixel moved by more than ${size.toFixed(2)}${taken}, it says ${names()[says]} (${sure}).`;
      const words = `${first} ${then} ${why(result, distance.length, names(), chosen().ties)}`;
      find(".lab-answer").textContent = words;
      canvas.attacked.ariaLabel = `The attacked image, which the network takes for ${names()[says]}`;
      canvas.change.ariaLabel = `What the attack adds to each pixel, at most ${size.toFixed(2)}: orange more, blue less`;
      if (finished()) speak(words);
    };
    const finished = () => attack.value === "fgsm" || !eps.valueAsNumber || steps >= iterations.valueAsNumber;

    // FGSM is one step along a gradient that does not depend on eps; PGD walks on, a few steps a frame.
    const update = labs.framewise(() => {
      const size = eps.valueAsNumber;
      epsShown.value = size.toFixed(2);
      point?.dispose();
      steps = 0;
      if (attack.value === "fgsm") {
        direction ??= tf.tidy(() => labs.gradient(made().net, x, [y]).sign());
        point = labs.fgsm(x, direction, size);
      } else point = x.clone();
      if (finished()) draw();
      else walk();
      mark();
    });
    const walk = labs.framewise(() => {
      const until = performance.now() + BUDGET;
      do {
        if (finished()) break;
        const next = labs.step(made().net, x, [y], point, eps.valueAsNumber, eps.valueAsNumber / 4);
        point.dispose();
        point = next;
        steps += 1;
      } while (performance.now() < until);
      if (finished() || !labs.still()) draw();
      if (!finished()) walk();
    });

    // Another image, true class or network: what does not depend on eps is computed again.
    const load = (keepTruth = false) => {
      const { look } = made();
      if (!own) last = image.valueAsNumber;
      const values = own ?? pixels[set.value][0].slice(784 * image.valueAsNumber, 784 * (image.valueAsNumber + 1));
      x?.dispose();
      direction?.dispose();
      direction = undefined;
      x = labs.images(values);
      const [answer] = look(x).answers;
      const says = labs.argmax(answer);
      clean = { says, sure: labs.percent(Math.exp(answer[says])) };
      if (!keepTruth) truth.value = own ? says : sets[set.value].labels[image.valueAsNumber];
      y = Number(truth.value);
      labs.show(canvas.clean, values, labs.grey);
      canvas.clean.ariaLabel = own ? "Your picture, 28 x 28 pixels" : `Test image ${image.value}, ${names()[y]}`;
      update();
    };

    // --- The curve. ---------------------------------------------------------------------------------------------------
    const colours = { network: "#0072B2", defence: "#D55E00" };
    const band = (colour) => `${colour}26`;
    const series = ([name, colour], i) => [
      { label: name, stroke: colour, width: 2, dash: i ? [6, 4] : [], points: { show: true, size: 7, fill: colour } },
      { stroke: "transparent", points: { show: false } },
      { stroke: "transparent", points: { show: false } },
    ];
    const line = (plot) => {
      const at = plot.valToPos(eps.valueAsNumber, "x", true);
      const { ctx, bbox } = plot;
      Object.assign(ctx, { strokeStyle: labs.colour("--pst-color-text-muted"), lineWidth: 2 });
      ctx.beginPath();
      ctx.moveTo(at, bbox.top);
      ctx.lineTo(at, bbox.top + bbox.height);
      ctx.stroke();
    };
    const chart = labs.chart(
      find(".lab-chart"),
      {
        scales: { x: { time: false, range: [0, 0.5] }, y: { range: [0, 1] } },
        axes: [{ label: "eps" }, { label: "share that is right", size: 60 }],
        series: [{}, ...Object.entries(colours).flatMap(series)],
        bands: [{ series: [3, 2], fill: band(colours.network) }, { series: [6, 5], fill: band(colours.defence) }],
        hooks: { draw: [line] },
      },
      [labs.GRID, ...Array(6).fill(labs.GRID.map(() => null))],
    );
    const shares = (counts, key) => {
      const ends = counts.map((count) => (count.n ? labs.wilson(count[key], count.n) : [null, null]));
      return [counts.map(({ n, [key]: right }) => (n ? right / n : null)), ends.map(([low]) => low), ends.map(([, high]) => high)];
    };
    let counts = [];
    const plotted = () => {
      counts = sweeping ? labs.counted(sweeping.found, alphas(), chosen()) : labs.GRID.map(() => ({ n: 0 }));
      chart.set([labs.GRID, ...shares(counts, "network"), ...shares(counts, "defence")]);
      mark();
    };
    const mark = () => {
      chart.redraw();
      const i = Math.min(labs.GRID.length - 1, Math.round(20 * eps.valueAsNumber));
      const { n = 0, network: right, defence } = counts[i] ?? {};
      const share = (count) => {
        const [low, high] = labs.wilson(count, n).map((end) => Math.round(100 * end));
        return `${count} (95 % interval of the share: ${low} to ${high} %)`;
      };
      const words = n
        ? `At eps = ${labs.GRID[i].toFixed(2)} the network (blue, solid) is right on ${share(right)} of ${n} images, the defence (orange, dashed) on ${share(defence)}.`
        : "Not computed yet.";
      find(".lab-curve-words").textContent = words;
      find(".lab-chart").ariaLabel = `Accuracy against eps. ${words}`;
    };
    const button = find("[name=sweep]");
    const start = () => {
      sweeping?.stop();
      button.hidden = true;
      const { net, look } = made();
      const what = { name: attack.value, iterations: iterations.valueAsNumber };
      const labels = sets[set.value].labels;
      sweeping = labs.sweep({ net, look, pixels: pixels[set.value][0], labels, attack: what }, (done) => {
        if (done || !labs.still()) plotted();
        place.dataset.swept = done;
      });
    };
    // One step is quick enough to be taken for every image; many steps are taken when asked for.
    const again = () => {
      sweeping?.stop();
      sweeping = null;
      place.dataset.swept = false;
      button.hidden = attack.value === "fgsm";
      if (attack.value === "fgsm") start();
      else plotted();
    };

    // --- What the reader does. ----------------------------------------------------------------------------------------
    const said = (sentence) => (alert.textContent = sentence);
    const valid = (input, what) => {
      said(input.validity.valid ? "" : what);
      input.ariaInvalid = !input.validity.valid;
      return input.validity.valid;
    };
    const reset = () => {
      const { alpha } = sets[set.value];
      find(".lab-alphas").replaceChildren(
        ...alpha.map((value, j) => {
          const shown = element("output", value.toFixed(2));
          const range = Object.assign(element("input"), { type: "range", name: "alpha", min: 0, max: 1, step: 0.01 });
          range.value = value;
          range.addEventListener("input", () => (shown.value = range.valueAsNumber.toFixed(2)));
          const label = element("label", `${names()[j]}: `);
          label.append(shown, range);
          return label;
        }),
      );
    };
    const world = () => {
      truth.replaceChildren(...names().map((name, j) => element("option", name, { value: j })));
      reset();
      lay();
      load();
      again();
    };
    const mine = (values, words) => {
      own = values;
      said(words);
      load();
    };
    const opened = async (picture) => {
      if (!picture) return;
      try {
        const { values, words } = await labs.read(picture);
        mine(values, words);
      } catch (error) {
        said(error.message);
      }
    };

    form.addEventListener("submit", (event) => event.preventDefault());
    eps.addEventListener("input", update);
    set.addEventListener("change", () => {
      own = null;
      world();
    });
    network.addEventListener("change", () => {
      lay();
      load(true);
      again();
    });
    attack.addEventListener("change", () => {
      update();
      again();
    });
    image.addEventListener("input", () => {
      const still = own ? "your own picture" : `test image ${last}`;
      if (!valid(image, `There are a hundred test images: type a whole number from 0 to 99. Shown is still ${still}.`)) return;
      own = null;
      load();
    });
    iterations.addEventListener("input", () => {
      if (!valid(iterations, "PGD takes a whole number of steps here, from 1 to 40.")) return;
      update();
      if (attack.value === "pgd") again();
    });
    truth.addEventListener("change", () => load(true));
    file.addEventListener("change", () => opened(file.files[0]));
    const target = find("[data-drop]");
    target.addEventListener("dragover", (event) => event.preventDefault());
    target.addEventListener("drop", (event) => {
      event.preventDefault();
      opened(event.dataTransfer.files[0]);
    });
    const paper = labs.sheet(find(".lab-paper"));
    find("[name=wipe]").addEventListener("click", paper.wipe);
    find("[name=use]").addEventListener("click", () => {
      const values = paper.pixels();
      if (values) mine(values, "Your drawing, moved to the middle and made 28 x 28.");
      else said("The paper is empty: draw a digit first.");
    });
    rules.addEventListener("submit", (event) => event.preventDefault());
    rules.addEventListener("reset", () => setTimeout(() => (reset(), update(), plotted())));
    const ruled = labs.framewise(() => (draw(), plotted()));
    rules.addEventListener("input", ruled);
    button.addEventListener("click", start);

    for (const part of [form, rules]) part.reset(); // browsers keep what was chosen before a reload
    world();
    place.dataset.ready = true;
  };

  labs.start("attack", async (place) => {
    try {
      await labs.ready();
    } catch (error) {
      place.querySelector(".lab-alert").textContent = `This browser cannot run the lab (${error.message}); a newer one can.`;
      return;
    }
    lab(place);
  });
  labs.why = why;
})();
