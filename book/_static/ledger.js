// Filters of the claims ledger, kept in the address: #paper=hua&verdict=partly&text=GDP. Without this file the folds
// stand with all claims in them; nothing is fetched.
(() => {
  const FIELDS = ["paper", "verdict", "kind", "chapter", "text"];
  const FEW = 60; // so many claims are unfolded at once
  const escaped = (word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const begins = (text, word) => new RegExp(`(?<![a-z0-9])${escaped(word)}`).test(text);

  // What a search asks for: of each list a claim must hold one word. `same`: what newcomers say, and what claims say.
  const asked = (text, same) => {
    let rest = text.toLowerCase();
    const wanted = [];
    for (const [phrase, found] of same) {
      const whole = new RegExp(`(?<![a-z0-9-])${escaped(phrase)}(?![a-z0-9-])`);
      if (whole.test(rest)) wanted.push([phrase, ...found]);
      rest = rest.replace(whole, " ");
    }
    return [...wanted, ...rest.split(/\s+/).filter(Boolean).map((word) => [word])];
  };

  // The text of a row, cells and lines apart: their ends begin words.
  const told = (node) => node.data ?? [...node.childNodes].map(told).join(" ");

  const start = () => {
    const ledger = document.getElementById("ledger");
    if (!ledger) return;
    const form = ledger.querySelector("form");
    const status = ledger.querySelector("[role=status]");
    const same = JSON.parse(ledger.querySelector("script[type='application/json']").textContent);
    const taken = ledger.querySelector(".ledger-taken");
    const folds = [...ledger.querySelectorAll("details")].map((fold) => [fold, [...fold.querySelectorAll("tbody tr")]]);
    const lines = new Map(folds.map(([fold]) => [fold, fold.querySelector("summary small")?.textContent]));
    const verdicts = [...form.elements.verdict.options].map(({ value }) => value).filter(Boolean);
    const rows = folds.flatMap(([, own]) => own);
    const words = new Map(
      rows.map((row) => {
        const chapter = row.dataset.chapter.replaceAll("_", " ");
        return [row, `${row.id} ${told(row)} ${chapter}`.toLowerCase()];
      }),
    );

    // A section's line says of what is shown how it fared.
    const counted = (left, all) => {
      const found = verdicts.map((verdict) => [left.filter((row) => row.dataset.verdict === verdict).length, verdict]);
      return `${left.length} of ${all} claims: ${found.filter(([count]) => count).map((pair) => pair.join(" ")).join(", ")}`;
    };
    const listed = (all) => (all.length > 1 ? `${all.slice(0, -1).join(", ")} or ${all.at(-1)}` : all[0]);

    const filter = () => {
      const { text, ...chosen } = Object.fromEntries(new FormData(form));
      const picked = Object.entries(chosen).filter(([, value]) => value);
      const wanted = asked(text, same);
      for (const row of rows) {
        row.hidden = !(
          picked.every(([name, value]) => row.dataset[name] === value) &&
          wanted.every((either) => either.some((word) => begins(words.get(row), word)))
        );
      }
      const shown = rows.filter((row) => !row.hidden).length;
      for (const [fold, own] of folds) {
        const left = own.filter((row) => !row.hidden);
        fold.hidden = !left.length;
        fold.open = left.length > 0 && shown <= FEW;
        const line = fold.querySelector("summary small");
        if (line) line.textContent = left.length < own.length ? counted(left, own.length) : lines.get(fold);
      }
      const wider = wanted.filter((either) => either.length > 1);
      taken.hidden = !wider.length;
      taken.textContent = wider.map(([phrase, ...either]) => `“${phrase}” finds each claim with a word that begins with ${listed(either)}.`).join(" ");
      status.textContent = `${shown} of ${rows.length} claims`;
    };

    // The address says what is chosen, so that it can be kept and sent.
    const keep = () => {
      const chosen = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
      history.replaceState(null, "", `#${chosen}`);
    };
    const restore = () => {
      const said = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : location.search);
      for (const name of FIELDS) form.elements[name].value = said.get(name) ?? "";
      for (const list of form.querySelectorAll("select")) if (list.selectedIndex < 0) list.value = "";
      filter();
    };
    // The claim that an address names is unfolded and in sight, whatever was chosen.
    const reveal = () => {
      const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
      if (!rows.includes(row)) return;
      if (row.hidden) {
        for (const name of FIELDS) form.elements[name].value = "";
        filter();
      }
      row.closest("details").open = true;
      row.scrollIntoView();
    };
    const arrive = () => {
      if (location.hash.includes("=") || !location.hash) restore();
      else reveal();
    };

    form.hidden = false;
    form.addEventListener("input", () => {
      filter();
      keep();
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () =>
      setTimeout(() => {
        filter();
        keep();
      }),
    );
    restore();
    arrive();
    addEventListener("hashchange", arrive);
    // Once the page has its height: to the claim, or to what is chosen.
    addEventListener("load", () => (location.hash.includes("=") ? form.scrollIntoView() : reveal()));
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
