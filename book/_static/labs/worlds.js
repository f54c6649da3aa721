// Worlds in which what makes a model unfair is known: countries with a true slope, a spread, and a mix of classes.
window.labs = window.labs ?? {};
(() => {
  const { randomBinomial, randomNormal } = statistics;
  const HARDNESS = [0.2, 0, -0.2]; // what a class adds to accuracy: easy, middling, hard

  const clip = (value) => Math.min(1, Math.max(0, value));
  const sum = (values) => values.reduce((total, value) => total + value, 0);

  // Shares (they add up to 1) of a whole number, as whole numbers of the same sum: the largest remainders go up.
  const dealt = (whole, shares) => {
    const exact = shares.map((share) => whole * share);
    const counts = exact.map(Math.floor);
    const order = exact.map((_, i) => i).sort((a, b) => exact[b] - counts[b] - (exact[a] - counts[a]) || a - b);
    for (let i = 0, left = whole - sum(counts); i < left; i++) counts[order[i]] += 1;
    return counts;
  };

  // How many images of each class each country shows. mix: 0, the same everywhere, to 1, none of the hard class in the
  // richest country and none of the easy one in the poorest.
  const classed = (wealth, n, mix) => {
    const [low, high] = [Math.min(...wealth), Math.max(...wealth)];
    return n.map((count, g) => {
      const rich = (2 * (wealth[g] - low)) / (high - low) - 1;
      return dealt(count, [(1 + mix * rich) / 3, 1 / 3, (1 - mix * rich) / 3]);
    });
  };

  // Right answers in each country and class: binomial around accuracy + slope (g - mean g) + hardness + spread u_g.
  // source: of random numbers, one for all worlds that are to be independent.
  const drawn = (wealth, counts, { slope, spread, accuracy, source }) => {
    const normal = randomNormal.source(source)();
    const binomial = randomBinomial.source(source);
    const n = counts.map(sum);
    const mean = sum(wealth.map((value, g) => value * n[g])) / sum(n);
    return counts.map((row, g) => {
      const level = accuracy + slope * (wealth[g] - mean) + spread * normal();
      return row.map((count, c) => (count ? binomial(count, clip(level + HARDNESS[c]))() : 0));
    });
  };

  // What a report of an audit says of its countries; throws a sentence where it is none.
  const audited = (text) => {
    let report;
    try {
      report = JSON.parse(text);
    } catch {
      throw new Error("This file is no JSON: choose the report that the audit writes, OUT.json.");
    }
    const countries = report?.countries;
    if (!Array.isArray(countries)) {
      throw new Error("This JSON has no list of countries: choose the report that the audit writes, OUT.json.");
    }
    const wrong = countries.find((one) => {
      const { n, right, log_gdp: wealth } = one ?? {};
      return !(Number.isInteger(n) && n > 0 && Number.isInteger(right) && right >= 0 && right <= n && Number.isFinite(wealth));
    });
    if (wrong !== undefined) {
      const name = wrong?.name ?? wrong?.country ?? "A country";
      throw new Error(`${name} lacks a number that the lab needs: n, right (at most n) and log_gdp.`);
    }
    if (countries.length < 3) throw new Error(`This report has ${countries.length} countries; a slope and its test need three or more.`);
    if (new Set(countries.map((one) => one.log_gdp)).size < 2) throw new Error("All countries of this report are equally wealthy, so there is no slope.");
    if (new Set(countries.map((one) => one.right / one.n)).size < 2) throw new Error("All countries of this report have the same accuracy, so there is no error to test a slope with.");
    return countries.map(({ name, country, n, right, log_gdp: wealth }) => ({ name: name ?? country, n, right, wealth }));
  };

  Object.assign(labs, { audited, classed, dealt, drawn });
})();
