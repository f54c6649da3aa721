// A word that the glossary explains shows what it means beside it: under the mouse, with the keyboard's focus, and at
// the first tap; the second one follows the link. The meanings are in the page. Without this file the links still lead
// to the glossary, and those who hear the page hear the meaning with the word.
(() => {
  const GAP = 4; // pixels between a word and its meaning
  const EDGE = 8; // and from there to the side of the window
  const wordAt = (place) => place.closest?.("a[aria-describedby^='meaning-']");
  let word, meaning, leaving, tapped;

  const hide = () => {
    clearTimeout(leaving);
    if (meaning) meaning.hidden = true;
    word = meaning = undefined;
  };
  const show = (next) => {
    clearTimeout(leaving);
    if (next === word) return;
    hide();
    word = next;
    meaning = document.getElementById(word.getAttribute("aria-describedby"));
    meaning.hidden = false;
    const [line] = word.getClientRects();
    const page = document.documentElement;
    const below = line.bottom + GAP;
    const fits = below + meaning.offsetHeight <= page.clientHeight;
    const left = Math.min(line.left, page.clientWidth - meaning.offsetWidth - EDGE);
    const home = meaning.offsetParent.getBoundingClientRect();
    meaning.style.top = `${(fits ? below : line.top - GAP - meaning.offsetHeight) - home.top}px`;
    meaning.style.left = `${Math.max(EDGE, left) - home.left}px`;
  };

  addEventListener("mouseover", ({ target }) => {
    const next = wordAt(target);
    if (next) show(next);
    else if (meaning?.contains(target)) clearTimeout(leaving);
    else if (word && word !== document.activeElement) {
      clearTimeout(leaving);
      leaving = setTimeout(hide, 200); // time for the way from the word to its meaning
    }
  });
  addEventListener("focusin", ({ target }) => (wordAt(target) ? show(target) : hide()));
  addEventListener("focusout", hide);
  addEventListener("keydown", ({ key }) => key === "Escape" && hide());
  addEventListener("resize", hide);
  addEventListener("pointerdown", ({ target, pointerType }) => {
    const next = wordAt(target);
    tapped = pointerType === "touch" && next !== word ? next : undefined;
    if (!next && !meaning?.contains(target)) hide();
  });
  addEventListener("click", (event) => {
    if (meaning?.contains(event.target)) hide(); // it may lie on the next word
    if (!tapped) return;
    event.preventDefault();
    show(tapped);
    tapped = undefined;
  });
})();
