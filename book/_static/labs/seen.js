// "Can you see it?": which of two pictures was changed, forty times; d' beside what the distances predict.
(() => {
  const BLANK = 300; // milliseconds between two trials, in which nothing can be compared from one to the next
  const OBVIOUS = 24; // levels: root mean square of what a catch trial changes
  const GREY = 128;
  const VERSION = 1;

  const element = (name, text = "", more = {}) => Object.assign(document.createElement(name), { textContent: text }, more);
  const ends = ({ low, high }) => `[${low === null ? "no bound" : signed(low)}, ${high === null ? "no bound" : signed(high)}]`;
  const signed = (value) => value.toFixed(2).replace("-", "−").replace(/^−(0\.00)$/, "$1");
  const several = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

  // What a block says, in words.
  const words = ({ right, n, caught, catches }) => {
    const found = labs.dprime(right, n);
    const said = [`You were right in ${right} of ${n}: d' = ${signed(found.value)}, 95 % interval ${ends(found)}.`];
    if (found.low !== null && found.low > 0) said.push("One who guesses has 0: you see a difference.");
    else if (found.high !== null && found.high < 0) said.push("This is worse than guessing: perhaps A and B were mixed up.");
    else said.push("One who guesses has 0: this block does not tell you from one who guesses, and does not show that you are one.");
    const missed = catches - caught;
    said.push(missed ? `Of ${several(catches, "picture")} with a change that is hard to overlook you missed ${missed}: take this block with care.` : `You caught all ${catches} changes that are hard to overlook.`);
    return said.join(" ");
  };

  const lab = async (place) => {
    const { methods, names, photographs, table } = fairlib.attacked;
    const find = (selector) => place.querySelector(selector);
    const form = find("form");
    const { method, size, observer, screen: kind, distance, bar } = form.elements;
    const trialsPart = find("[data-part=trials]");
    const predictions = find("[data-part=predictions]");
    const buttons = { A: find("[name=A]"), B: find("[name=B]") };
    const canvases = Object.values(buttons).map((button) => button.querySelector("canvas"));
    const [alert, answer, save] = [find(".lab-alert"), find(".lab-answer"), find("[name=save]")];
    const speak = labs.spoken(find(".lab-spoken"), 0);
    const windows = await Promise.all(photographs.map((one) => labs.opened(one, methods)));
    const finished = []; // blocks
    let running = null;

    method.replaceChildren(...methods.map((name) => element("option", names[name], { value: name })));
    observer.value = `observer-${crypto.getRandomValues(new Uint16Array(1))[0]}`;

    // --- What the distances say. --------------------------------------------------------------------------------------
    const judges = Object.keys(table[0].distances);
    const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const means = (name, chosen) => {
      const rows = table.filter((row) => row.method === name && row.size === chosen);
      return Object.fromEntries(judges.map((judge) => [judge, mean(rows.map(({ distances }) => distances[judge]))]));
    };
    const tabled = () => {
      const found = methods.map((name) => means(name, size.value));
      const head = element("tr");
      head.append(...["Attack", "Your d'", ...judges].map((text) => element("th", text, { scope: "col" })));
      find("thead").replaceChildren(head);
      const rows = methods.map((name, m) => {
        const row = element("tr");
        const same = (block) => block.method === name && (block.size === size.value || name === fairlib.attacked.reference);
        const own = finished.filter(same).map(({ trials }) => labs.counted(trials));
        const [right, n] = ["right", "n"].map((key) => own.reduce((sum, one) => sum + one[key], 0));
        const seen = n ? labs.dprime(right, n) : null;
        const cells = judges.map((judge) => {
          const rank = 1 + found.filter((other) => other[judge] < found[m][judge] * (1 - 1e-3)).length;
          return `${found[m][judge].toPrecision(3)} (${rank})`;
        });
        row.append(element("th", names[name], { scope: "row" }), ...[seen ? `${signed(seen.value)} ${ends(seen)}, n = ${n}` : "–", ...cells].map((text) => element("td", text)));
        return row;
      });
      find("tbody").replaceChildren(...rows);
    };

    // --- Trials. ------------------------------------------------------------------------------------------------------
    const changed = ({ picture, catch: obvious }) => {
      const { clean, changes } = windows[picture];
      const change = changes[running.method];
      const rms = Math.sqrt(mean([...change].map((value) => value ** 2)));
      const own = table.find((row) => row.photograph === picture && row.method === running.method && row.size === running.size);
      return labs.scaled(clean, change, obvious ? OBVIOUS / rms : own.scale);
    };
    const blank = () => canvases.forEach((canvas) => labs.paint(canvas, new Uint8Array(3 * canvas.width * canvas.height).fill(GREY)));
    const laid = () => canvases.forEach((canvas) => labs.fitted(canvas));
    const next = () => {
      if (!running) return;
      const i = running.answered.length;
      if (i === running.trials.length) return finish();
      const trial = running.trials[i];
      const { clean } = windows[trial.picture];
      laid();
      labs.paint(buttons[trial.side].querySelector("canvas"), changed(trial));
      labs.paint(buttons[trial.side === "A" ? "B" : "A"].querySelector("canvas"), clean);
      find(".lab-progress").textContent = `${i + 1} of ${running.trials.length}`;
      running.shown = performance.now();
      place.dataset.trial = i;
    };
    const choose = (side) => {
      if (!running?.shown) return; // nothing is to be seen
      const { picture, ...trial } = running.trials[running.answered.length];
      const ms = Math.round(performance.now() - running.shown);
      running.answered.push({ photograph: photographs[picture].file, ...trial, answer: side, ms, pinched: (visualViewport?.scale ?? 1) !== 1 });
      running.shown = null;
      blank();
      setTimeout(next, BLANK);
    };
    const shown = (trials) => {
      trialsPart.hidden = !trials;
      predictions.hidden = trials; // who reads what to expect while choosing tells of that
      form.hidden = trials;
    };
    const begin = () => {
      if (!form.checkValidity()) {
        const wrong = form.querySelector("input:invalid");
        alert.textContent = wrong === observer ? "Type a word for yourself, so that your files can be told from other people's."
          : wrong === distance ? "How far is your eye from the screen? Type a number of centimetres from 5 to 1000."
          : "Type the bar's length as a number of millimetres from 1 to 2000, or leave it empty.";
        wrong.focus();
        return;
      }
      alert.textContent = "";
      answer.textContent = "";
      save.hidden = true;
      running = {
        version: VERSION, lab: "seen", observer: observer.value.trim(), method: method.value, size: size.value,
        screen: kind.value, distanceCm: distance.valueAsNumber, barMm: Number.isNaN(bar.valueAsNumber) ? null : bar.valueAsNumber,
        barPixels: 288, devicePixelRatio, screenPixels: [screen.width, screen.height].map((side) => Math.round(side * devicePixelRatio)),
        dark: document.documentElement.dataset.theme === "dark", began: new Date().toISOString(),
        trials: labs.block(windows.length), answered: [], shown: null,
      };
      shown(true);
      blank();
      buttons.A.focus();
      speak("The block has begun. Choose A or B, with the buttons, the keys A and B, or the arrow keys.");
      next();
    };
    const finish = () => {
      const { answered, trials: _, shown: __, ...told } = running;
      const block = { ...told, trials: answered };
      const count = labs.counted(answered);
      finished.push({ ...block, ...count, dprime: labs.dprime(count.right, count.n) });
      running = null;
      shown(false);
      answer.textContent = words(count);
      speak(answer.textContent);
      save.hidden = false;
      tabled();
      predictions.open = true;
      answer.focus();
      place.dataset.blocks = finished.length;
    };

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      begin();
    });
    form.noValidate = true;
    form.addEventListener("change", tabled);
    for (const side of ["A", "B"]) buttons[side].addEventListener("click", () => choose(side));
    document.addEventListener("keydown", (event) => {
      if (!running || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
      const side = { a: "A", ArrowLeft: "A", b: "B", ArrowRight: "B" }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!side) return;
      event.preventDefault();
      choose(side);
    });
    find("[name=stop]").addEventListener("click", () => {
      running = null;
      shown(false);
      answer.textContent = "Stopped. What was answered in this block is dropped.";
      speak(answer.textContent);
      answer.focus();
    });
    save.addEventListener("click", () => {
      const block = finished.at(-1);
      const file = new Blob([`${JSON.stringify(block, null, 1)}\n`], { type: "application/json" });
      const link = element("a", "", { href: URL.createObjectURL(file), download: `seen-${block.observer.replace(/[^\w-]/g, "_")}-${block.began.replace(/\W/g, "")}.json` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });

    const stripe = find(".lab-bar");
    labs.paint(stripe, new Uint8Array(3 * stripe.width * stripe.height).fill(GREY));
    // What is fitted stays so when the window changes, and when something above it on the page does.
    const settled = () => {
      labs.fitted(stripe);
      if (running) laid();
    };
    settled();
    addEventListener("resize", settled);
    new ResizeObserver(settled).observe(document.body);
    blank();
    tabled();
    place.dataset.ready = true;
  };

  labs.start("seen", lab);
})();
