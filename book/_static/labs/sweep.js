// Accuracy over a hundred images as eps moves: worked off in small pieces, so that the page stays quick.
window.labs = window.labs ?? {};
(() => {
  const GRID = Array.from({ length: 11 }, (_, i) => i / 20); // of eps
  const BATCH = 10;
  const SLICE = 8; // milliseconds of work between two frames

  // Yields once per piece; what it finds: for each eps, for each image so far, the network's answer and the distances.
  function* pieces({ net, look, pixels, labels, attack }, found) {
    for (let first = 0; first < labels.length; first += BATCH) {
      const y = labels.slice(first, first + BATCH);
      const x = labs.images(pixels.slice(784 * first, 784 * (first + BATCH)));
      let direction;
      for (const [i, eps] of GRID.entries()) {
        let point;
        if (attack.name === "fgsm") {
          direction ??= tf.tidy(() => labs.gradient(net, x, y).sign());
          point = labs.fgsm(x, direction, eps);
        } else {
          point = x.clone();
          for (let t = 0; t < (eps ? attack.iterations : 0); t++) {
            const next = labs.step(net, x, y, point, eps, eps / 4);
            point.dispose();
            point = next;
            yield;
          }
        }
        const { answers, distances } = look(point);
        point.dispose();
        answers.forEach((answer, k) => found[i].push({ answer: labs.argmax(answer), distance: distances[k], y: y[k] }));
        yield;
      }
      x.dispose();
      direction?.dispose();
    }
  }

  // Starts a sweep; `changed(done)` is told after each slice. Returns what it finds and how to stop it.
  const sweep = (options, changed) => {
    const found = GRID.map(() => []);
    const work = pieces(options, found);
    let stopped = false;
    const go = () => {
      if (stopped) return;
      const until = performance.now() + SLICE;
      let done = false;
      while (!done && performance.now() < until) ({ done } = work.next());
      changed(done);
      if (!done) setTimeout(() => requestAnimationFrame(go));
    };
    setTimeout(go);
    return { found, stop: () => (stopped = true) };
  };

  // Of what a sweep found: for each eps how many are right, by the network and by the defence under these rules.
  const counted = (found, alpha, rules) =>
    found.map((images) => ({
      n: images.length,
      network: images.filter(({ answer, y }) => answer === y).length,
      defence: images.filter(({ distance, y }) => labs.vote(distance, alpha, rules).winner === y).length,
    }));

  Object.assign(labs, { GRID, counted, sweep });
})();
