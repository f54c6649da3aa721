// Filters of the claims ledger. Without this file the table stands in full; nothing is fetched.
(() => {
  const start = () => {
    const ledger = document.getElementById("ledger");
    if (!ledger) return;
    const form = ledger.querySelector("form");
    const status = ledger.querySelector("[role=status]");
    const rows = [...ledger.querySelectorAll(".claims tbody tr")];
    const words = new Map(rows.map((row) => [row, `${row.id} ${row.textContent}`.toLowerCase()]));

    const filter = () => {
      const { paper, verdict, kind, text } = Object.fromEntries(new FormData(form));
      const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        row.hidden =
          (paper && row.dataset.paper !== paper) ||
          (verdict && row.dataset.verdict !== verdict) ||
          (kind && row.dataset.kind !== kind) ||
          !wanted.every((word) => words.get(row).includes(word));
        shown += !row.hidden;
      }
      status.textContent = `${shown} of ${rows.length} claims`;
    };

    form.hidden = false;
    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    filter(); // browsers keep what was typed before a reload
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
