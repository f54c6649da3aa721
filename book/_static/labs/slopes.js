// Slopes of accuracy on log wealth, as fairlib.fairness has them: the paper's regression, and like with like.
window.labs = window.labs ?? {};
(() => {
  const { EigenvalueDecomposition, Matrix, jStat } = statistics;
  const LEVEL = 0.05;
  const NONE = 1e-8; // as in fairlib.fairness.clustered
  const RANK = 1e-10;
  const VARIES = 1e-7;
  const ROUNDS = 30;

  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const dot = (a, b) => a.reduce((total, value, i) => total + value * b[i], 0);
  const twoSided = (t, freedom) => 2 * jStat.studentt.cdf(-Math.abs(t), freedom);

  const tested = (slope, error, freedom, more) => {
    const half = jStat.studentt.inv(1 - LEVEL / 2, freedom) * error;
    const t = slope / error;
    return { slope, low: slope - half, high: slope + half, error, t, freedom, p: twoSided(t, freedom), ...more };
  };

  // The paper's regression of accuracy on log wealth, countries weighted by the root of their number of images.
  const regression = (wealth, accuracy, n) => {
    const weights = n.map(Math.sqrt);
    const total = sum(weights);
    const mean = dot(weights, wealth) / total;
    const centred = wealth.map((value) => value - mean);
    const weighted = centred.map((value, i) => weights[i] * value);
    const squares = dot(weighted, centred);
    const slope = dot(weighted, accuracy) / squares;
    const intercept = dot(weights, accuracy) / total - slope * mean;
    const residuals = accuracy.map((value, i) => value - intercept - slope * wealth[i]);
    const freedom = wealth.length - 2;
    const variance = sum(residuals.map((r, i) => weights[i] * r * r)) / freedom;
    return tested(slope, Math.sqrt(variance / squares), freedom, { intercept });
  };

  // What the adjusted slope needs of a design: `wealth` of each country and `counts[country][class]` of images. Images
  // of one country and class differ in their answers alone, so that a cell stands for all of them.
  const design = (wealth, counts) => {
    const classes = counts[0].map((_, c) => c);
    const column = (c) => counts.map((row) => row[c]);
    const means = classes.map((c) => dot(column(c), wealth) / (sum(column(c)) || 1));
    const differs = classes.filter((c) => counts.some((row, g) => row[c] && Math.abs(wealth[g] - means[c]) > VARIES));
    const sizes = differs.map((c) => sum(column(c)));
    const cells = []; // of the classes that are seen with two wealths
    for (const [g, row] of counts.entries()) {
      for (const [k, c] of differs.entries()) if (row[c]) cells.push({ g, c, k, w: row[c], x: wealth[g] - means[c] });
    }
    const countries = [...new Set(cells.map(({ g }) => g))];
    const inverse = 1 / sum(cells.map(({ w, x }) => w * x * x));
    const half = Math.sqrt(inverse);
    const groups = countries.map((g) => group(cells.filter((cell) => cell.g === g), sizes, inverse, half));
    const n = groups.map(({ own }) => sum(own.map(({ w }) => w)));
    return { cells, groups, sizes, inverse, n, lengths: groups.map(({ loadings }) => dot(loadings, loadings)) };
  };

  // One country's part in the error: CR2's adjusted regressor, and what its degrees of freedom are made of.
  const group = (own, sizes, inverse, half) => {
    const present = own.map(({ k }) => k);
    const columns = own.map(({ k, x }) => [...present.map((other) => (other === k ? sizes[k] ** -0.5 : 0)), x * half]);
    const gram = columns[0].map((_, i) => columns[0].map((__, j) => sum(own.map(({ w }, r) => w * columns[r][i] * columns[r][j]))));
    const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(new Matrix(gram), { assumeSymmetric: true });
    const adjusted = own.map(({ x }) => x);
    for (const [j, eigenvalue] of realEigenvalues.entries()) {
      if (eigenvalue <= RANK) continue;
      const vector = eigenvectorMatrix.getColumn(j);
      const basis = columns.map((row) => dot(row, vector) / Math.sqrt(eigenvalue));
      const remains = 1 - eigenvalue;
      const root = remains > NONE ? remains ** -0.5 : 0;
      const along = sum(own.map(({ w, x }, r) => w * basis[r] * x));
      basis.forEach((value, r) => (adjusted[r] += value * (root - 1) * along));
    }
    const parts = adjusted.map((value) => value * inverse);
    const loadings = Array(sizes.length + 1).fill(0);
    const sums = Array(sizes.length + 1).fill(0);
    own.forEach(({ k, w, x }, r) => {
      loadings[k] += w * sizes[k] ** -0.5 * parts[r];
      sums[k] += w * sizes[k] ** -0.5;
      loadings[sizes.length] += w * half * x * parts[r];
      sums[sizes.length] += w * half * x;
    });
    const squares = sum(own.map(({ w }, r) => w * parts[r] ** 2));
    const ones = sum(own.map(({ w }, r) => w * parts[r]));
    const total = sum(own.map(({ w, x }) => w * x)) * inverse;
    return { own, adjusted, loadings, sums, squares, ones, total };
  };

  // The slope between images of one class, from the right answers in each country and class; as fairlib.fairness's
  // within_class has it of countries: CR2 by country, Satterthwaite's degrees of freedom, effects of countries.
  const within = (plan, right) => {
    const { cells, groups, sizes, inverse, n } = plan;
    const answered = sizes.map((size, k) => sum(cells.filter((cell) => cell.k === k).map(({ g, c }) => right[g][c])) / size);
    const slope = inverse * sum(cells.map(({ g, c, k, w, x }) => x * (right[g][c] - w * answered[k])));
    const residual = ({ k, x }, answer) => answer - answered[k] - slope * x;
    const totals = groups.map(({ own }) => own.map((cell) => right[cell.g][cell.c] * residual(cell, 1) + (cell.w - right[cell.g][cell.c]) * residual(cell, 0)));
    const scores = groups.map(({ adjusted }, g) => dot(adjusted, totals[g]));
    const squares = sum(cells.map((cell) => {
      const r = right[cell.g][cell.c];
      return r * residual(cell, 1) ** 2 + (cell.w - r) * residual(cell, 0) ** 2;
    }));
    let variance = inverse * dot(scores, scores) * inverse;
    const of = (product) => {
      const matrix = groups.map((a, g) => groups.map((b, h) => product(a, b, g === h)));
      return { trace: sum(matrix.map((row, g) => row[g])), squares: sum(matrix.map((row) => dot(row, row))) };
    };
    const plain = (a, b, same) => (same ? a.squares : 0) - dot(a.loadings, b.loadings);
    plan.plain ??= of(plain);
    let freedom = plan.plain.trace ** 2 / plan.plain.squares;
    const [image, effect] = components(plan, totals.map(sum), squares, sum(n));
    if (effect > 0) {
      plan.shared ??= (() => {
        const shared = groups.map((a, g) => groups.map((b, h) => (g === h ? a.ones : 0) - dot(a.loadings, b.sums)));
        return shared.map((row) => shared.map((other) => dot(row, other)));
      })();
      const indices = new Map(groups.map((part, g) => [part, g]));
      const products = of((a, b, same) => image * plain(a, b, same) + effect * plan.shared[indices.get(a)][indices.get(b)]);
      const truth = image * inverse + effect * sum(groups.map(({ total }) => total ** 2));
      variance /= Math.min(1, products.trace / truth);
      freedom = products.trace ** 2 / products.squares;
    }
    return tested(slope, Math.sqrt(variance), freedom, {});
  };

  // The variance of images and that of countries' effects, from the residuals.
  const components = (plan, totals, squares, N) => {
    const { groups, n } = plan;
    const left = N - groups[0].sums.length;
    if (left <= 0 || squares <= RANK * N) return [1, 0];
    plan.R ??= groups.map((a, g) => groups.map((b, h) => (g === h ? n[g] : 0) - dot(a.sums, b.sums)));
    const own = plan.R.map((row, g) => row[g]);
    const twice = (plan.twice ??= plan.R.map((row) => dot(row, row)));
    let [image, effect] = [squares / left, 0];
    for (let round = 0; round < ROUNDS; round++) {
      const weights = n.map((size) => 1 / (image + effect * size) ** 2);
      const [a, b, c, d] = [left, sum(own), dot(weights, own), dot(weights, twice)];
      const determinant = a * d - b * c;
      if (Math.abs(determinant) <= 1e-12 * Math.abs(a * d)) return [1, 0];
      const second = dot(weights, totals.map((total) => total ** 2));
      [image, effect] = [(squares * d - b * second) / determinant, (a * second - c * squares) / determinant];
      if (!(effect > 0 && image > 0)) [image, effect] = [squares / left, 0];
    }
    return [image, effect];
  };

  Object.assign(labs, { LEVEL, design, regression, within });
})();
