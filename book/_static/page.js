// What the theme leaves to do on every page.
(() => {
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

  // A copy button shows a drawing only: its name, for those who hear the page, is its tooltip.
  addEventListener("load", () => {
    for (const button of document.querySelectorAll("button.copybtn")) button.ariaLabel = button.dataset.tooltip;
  });
})();
