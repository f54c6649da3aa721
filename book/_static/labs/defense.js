// The centroid defence, as fairlib.defenses.CentroidDefense has it with one set of centroids and the released taps.
window.labs = window.labs ?? {};
(() => {
  const NOBODY = -1;
  const TINY = 1e-16;

  // Activations divided by their length: of all features, or over the channels at each pixel of a map.
  const directions = (a) => {
    const axis = a.shape.length - 1;
    const length = a.square().sum(axis, true).clipByValue(TINY, Infinity).sqrt();
    const pixels = a.shape.length === 4 ? a.shape[1] * a.shape[2] : 1;
    return [a.div(length).reshape([a.shape[0], -1]), pixels];
  };

  // Looks at images: the answers (N, 10) of the network, and their distances from the centroids, D[image][layer][class].
  const looker = (net, centroids) => {
    const fixed = tf.tidy(() => net.layers(centroids).map(([, a]) => directions(a)[0]));
    return (x) =>
      tf.tidy(() => {
        const layers = net.layers(x);
        const found = layers.map(([, a], layer) => {
          const [own, pixels] = directions(a);
          const cosine = tf.matMul(own, fixed[layer], false, true).div(pixels);
          return cosine.mul(-0.5).add(0.5).arraySync();
        });
        const answers = layers.at(-1)[1].arraySync();
        return { answers, distances: answers.map((_, image) => found.map((layer) => layer[image])) };
      });
  };

  const argmax = (values) => values.indexOf(Math.max(...values));

  // Which of the tied classes wins; `closest` by mean distance over the layers.
  const TIES = {
    lowest: (tied) => tied[0],
    highest: (tied) => tied.at(-1),
    closest: (tied, distance) => {
      const mean = (j) => distance.reduce((sum, layer) => sum + layer[j], 0) / distance.length;
      return tied.reduce((best, j) => (mean(j) < mean(best) ? j : best));
    },
  };

  // The vote on one image: its distances [layer][class], thresholds alpha [class], and the rules.
  const vote = (distance, alpha, { ties = "lowest", strict = false, nobody = true } = {}) => {
    const thresholds = Float32Array.from(alpha); // fairlib compares in float32
    const fair = distance.map((layer) => layer.map((d, j) => (strict ? d < thresholds[j] : d <= thresholds[j])));
    const votes = alpha.map((_, j) => fair.filter((layer) => layer[j]).length);
    const none = nobody ? fair.filter((layer) => !layer.some(Boolean)).length : 0;
    const most = Math.max(...votes);
    const tied = votes.flatMap((count, j) => (count === most ? [j] : []));
    const winner = none > most ? NOBODY : TIES[ties](tied, distance);
    return { fair, votes, none, most, tied, winner };
  };

  Object.assign(labs, { NOBODY, argmax, looker, vote });
})();
