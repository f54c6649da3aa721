// What the theme leaves to do on every page.
(() => {
  // The ledger was the first page: an address of a claim, or of what was filtered, leads on to where it is now.
  if (/^#((pepe|hua)-|.*=)/.test(location.hash) && /\/notebooks\/start\.html$/.test(location.pathname)) {
    location.replace(`ledger.html${location.hash}`);
  }

  // Paper is white: a page that is read in the dark is printed in light colours.
  const page = document.documentElement.dataset;
  let theme;
  addEventListener("beforeprint", () => {
    theme = page.theme;
    page.theme = "light";
  });
  addEventListener("afterprint", () => {
    page.theme = theme;
  });

  // The name of a control, for those who hear the page, holds what the control shows.
  const MODES = { light: "Light", dark: "Dark", auto: "System Settings" };
  const named = () => {
    for (const button of document.querySelectorAll("button.copybtn")) button.ariaLabel = button.dataset.tooltip;
    for (const button of document.querySelectorAll(".search-button-field")) button.removeAttribute("aria-label");
    for (const button of document.querySelectorAll(".theme-switch-button")) {
      button.ariaLabel = `Color mode: ${MODES[page.mode]}`;
    }
  };
  new MutationObserver(named).observe(document.documentElement, { attributeFilter: ["data-mode"] });

  // A place that has moved from a chapter to its audit left its id behind: an old address goes on from there.
  const follow = () => {
    const { moved } = document.getElementById(decodeURIComponent(location.hash.slice(1)))?.dataset ?? {};
    if (moved) location.replace(moved);
  };
  addEventListener("DOMContentLoaded", follow);
  addEventListener("hashchange", follow);

  // A box that scrolls is reached with Tab, moved with the arrow keys, and says what it is; one that does not is passed.
  const BOXES = {
    ".cell_output pre": "Output",
    pre: "Code",
    ".cell_output .text_html, .pst-scrollable-table-container": "Table",
    "article figure, .cell_output": "Figure",
    "mjx-container, div.math": "Formula",
  };
  const reach = (box) => {
    const larger = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
    if (larger && /auto|scroll/.test(getComputedStyle(box).overflow)) {
      const [, name] = Object.entries(BOXES).find(([kind]) => box.matches(kind));
      box.tabIndex = 0;
      if (box.tagName !== "FIGURE") box.role = "group";
      box.ariaLabel = `${name}, scrolls`;
    } else if (box.ariaLabel?.endsWith(", scrolls")) {
      for (const given of ["tabindex", "role", "aria-label"]) box.removeAttribute(given);
    }
  };
  const sizes = new ResizeObserver((changes) => changes.forEach(({ target }) => reach(target)));
  addEventListener("load", async () => {
    named();
    await window.MathJax?.startup?.promise;
    for (const box of document.querySelectorAll(Object.keys(BOXES).join())) sizes.observe(box);
  });
})();
