// What the labs share: numbers out of text, words, colours of the theme, charts.
window.labs = window.labs ?? {};
(() => {
  const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const floats = (base64) => new Float32Array(bytes(base64).buffer);

  // Runs once per drawn frame however often it is asked for.
  const framewise = (action) => {
    let waiting = false;
    return () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        action();
      });
    };
  };

  // Says the newest of several sentences, once the reader's hand rests: a live region that is not flooded.
  const spoken = (region, rest = 400) => {
    let timer;
    return (text) => {
      clearTimeout(timer);
      timer = setTimeout(() => region.textContent !== text && (region.textContent = text), rest);
    };
  };

  // Starts a lab: its markup appears in the place of the figure that stands in where no script runs.
  const start = (name, action) => {
    const begin = () => {
      const place = document.querySelector(`.lab[data-lab="${name}"]`);
      if (!place) return;
      place.hidden = false;
      document.querySelector(".lab-stand-in")?.setAttribute("hidden", "");
      action(place);
    };
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
    else begin();
  };

  // Whether the reader wants nothing to move: then what would grow on the page is drawn once, when it is done.
  const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // A uPlot chart as wide as its place, in the colours of the theme, drawn again when either changes.
  const chart = (place, options, values) => {
    let plot;
    let latest = values;
    const draw = () => {
      plot?.destroy();
      const ink = colour("--pst-color-text-base");
      const lines = colour("--pst-color-border");
      const axes = (options.axes ?? [{}, {}]).map((axis) => ({
        stroke: ink, grid: { stroke: lines, width: 1 }, ticks: { stroke: lines }, ...axis,
      }));
      const size = { width: Math.max(240, place.clientWidth), height: options.height ?? 240 };
      plot = new uPlot({ legend: { show: false }, cursor: { show: false }, ...options, ...size, axes }, latest, place);
    };
    draw();
    new ResizeObserver(() => plot.width !== Math.max(240, place.clientWidth) && draw()).observe(place);
    new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return {
      set: (next) => plot.setData((latest = next), options.rescale ?? true),
      redraw: () => plot.redraw(false),
      // Other words beside the axes: these are laid when a chart is made.
      titled: (...names) => {
        names.forEach((label, i) => Object.assign(options.axes[i], { label }));
        draw();
      },
    };
  };

  // Wilson's 95 % interval of a share.
  const wilson = (right, n) => {
    const z2 = 1.959964 ** 2;
    const middle = (right + z2 / 2) / (n + z2);
    const half = Math.sqrt(z2 * ((right * (n - right)) / n + z2 / 4)) / (n + z2);
    return [middle - half, middle + half];
  };

  const percent = (share) => `${(100 * share).toFixed(share > 0.995 && share < 1 ? 2 : 0)} %`;

  Object.assign(labs, { bytes, chart, colour, floats, framewise, percent, spoken, start, still, wilson });
})();
