// A two-alternative forced choice: its trials, and what the answers say about d'.
window.labs = window.labs ?? {};
(() => {
  const TRIALS = 40;
  const CATCHES = 4;
  const SIDES = ["A", "B"];

  const below = (n, random) => Math.floor(n * random());
  const shuffled = (list, random) => {
    const mixed = [...list];
    for (let i = mixed.length - 1; i > 0; i--) {
      const j = below(i + 1, random);
      [mixed[i], mixed[j]] = [mixed[j], mixed[i]];
    }
    return mixed;
  };

  // A block: each picture as often as the others, give or take one, each time on a side of its own chance; catch
  // trials among them, none of them first.
  const block = (pictures, random = Math.random) => {
    const rounds = Array.from({ length: Math.ceil(TRIALS / pictures) }, () => shuffled(Array(pictures).keys(), random));
    const side = () => SIDES[below(2, random)];
    const trials = shuffled(rounds.flat().slice(0, TRIALS), random).map((picture) => ({ picture, catch: false, side: side() }));
    for (let i = 0; i < CATCHES; i++) {
      trials.splice(1 + below(trials.length, random), 0, { picture: below(pictures, random), catch: true, side: side() });
    }
    return trials;
  };

  const counted = (trials) => {
    const [ordinary, caught] = [false, true].map((is) => trials.filter((trial) => trial.catch === is));
    const right = (some) => some.filter(({ side, answer }) => side === answer).length;
    return { right: right(ordinary), n: ordinary.length, caught: right(caught), catches: caught.length };
  };

  // d' = sqrt(2) z(share), half an answer added on either side; the interval is Wilson's of the share. Where all
  // answers are right, or all wrong, it has no end there: null.
  const dprime = (right, n) => {
    const z = (share) => Math.SQRT2 * statistics.jStat.normal.inv(share, 0, 1);
    const [low, high] = labs.wilson(right, n);
    return { value: z((right + 0.5) / (n + 1)), low: right === 0 ? null : z(low), high: right === n ? null : z(high) };
  };

  Object.assign(labs, { CATCHES, TRIALS, block, counted, dprime });
})();
