// The first paper's networks in TensorFlow.js, as fairlib.models has them, and the attacks on them.
// Images are tensors (N, 28, 28, 1) of float32 in [0, 1]; answers are log-probabilities (N, 10).
window.labs = window.labs ?? {};
(() => {
  const SHAPE = [28, 28, 1];
  const CLASSES = 10;
  const NEVER = 1e9; // taken from the true class's log-probability, it leaves the sum over the others

  const linear = (a, { weight, bias }) => tf.matMul(a, weight, false, true).add(bias);

  // The maximum of each 2x2 block of a map. Where values tie, its gradient goes to the first of them, as PyTorch's does.
  const halved = (a) => {
    const [n, height, width, channels] = a.shape;
    const rows = a.reshape([(n * height) / 2, 2, width / 2, 2, channels]).transpose([0, 2, 4, 1, 3]);
    return largest(rows.reshape([-1, 4])).reshape([n, height / 2, width / 2, channels]);
  };
  const largest = (rows) =>
    tf.customGrad((values, save) => {
      const first = tf.oneHot(values.argMax(1), 4).cast("float32");
      save([first]);
      return { value: values.mul(first).sum(1), gradFunc: (dy, [kept]) => dy.reshape([-1, 1]).mul(kept) };
    })(rows);

  // The layers of each network, in order: [name, output] with the names of fairlib.models.
  const LAYERS = {
    *FullyConnected(x, layer) {
      let a = x.reshape([-1, 784]);
      for (const name of ["linear_in", "linear1", "linear2", "linear3", "linear4", "linear5"]) {
        const z = linear(a, layer[name]);
        yield [name, z];
        a = z.relu();
      }
      yield ["log_softmax", tf.logSoftmax(linear(a, layer.linear_out))];
    },
    *LeNet5(x, layer) {
      let a = x;
      for (const [name, padding] of [["conv1", "same"], ["conv2", "valid"]]) {
        const z = tf.conv2d(a, layer[name].weight, 1, padding).add(layer[name].bias);
        yield [name, z];
        a = halved(z.relu());
      }
      a = a.transpose([0, 3, 1, 2]).reshape([-1, 400]); // the linear layers expect the channels first
      for (const name of ["fc1", "fc2"]) {
        const z = linear(a, layer[name]);
        yield [name, z];
        a = z.relu();
      }
      const z = linear(a, layer.fc3);
      yield ["fc3", z];
      yield ["log_softmax", tf.logSoftmax(z)];
    },
  };

  // A network out of its weights as fairlib stores them: {"fc1.weight": {shape, float32}, ...}.
  const network = (architecture, weights) => {
    const layer = {};
    for (const [name, { shape, float32 }] of Object.entries(weights)) {
      const [of, kind] = name.split(".");
      const stored = tf.tensor(labs.floats(float32), shape);
      // Convolutions: (out, in, height, width) there, (height, width, in, out) here.
      (layer[of] ??= {})[kind] = shape.length === 4 ? stored.transpose([2, 3, 1, 0]) : stored;
    }
    const layers = (x) => [...LAYERS[architecture](x, layer)];
    return { architecture, layers, answers: (x) => layers(x).at(-1)[1] };
  };

  // The margin log(sum over j != y of exp(z_j)) - z_y of each image; its gradient has the sign of the loss's.
  const margin = (z, y) => {
    const own = tf.oneHot(y, CLASSES).cast("float32");
    return z.sub(own.mul(NEVER)).logSumExp(1).sub(z.mul(own).sum(1));
  };

  // The gradient of the margin with respect to each image.
  const gradient = (net, x, y) =>
    tf.tidy(() => {
      const classes = tf.tensor(y, [y.length], "int32");
      return tf.grad((point) => margin(net.answers(point), classes).sum())(x);
    });

  const fgsm = (x, direction, eps) => tf.tidy(() => x.add(direction.mul(eps)).clipByValue(0, 1));

  // One step of PGD in the L-infinity ball around x.
  const step = (net, x, y, point, eps, size) =>
    tf.tidy(() => {
      const moved = point.add(gradient(net, point, y).sign().mul(size));
      return within(moved, x, eps).clipByValue(0, 1);
    });

  const within = (point, x, eps) => x.add(point.sub(x).clipByValue(-eps, eps));

  const pgd = (net, x, y, eps, { iterations, size }) =>
    tf.tidy(() => {
      let point = x;
      for (let t = 0; t < iterations; t++) point = step(net, x, y, point, eps, size);
      return point;
    });

  // Images out of their pixels, 784 each, 0 to 1.
  const images = (pixels) => tf.tensor(pixels, [pixels.length / 784, ...SHAPE]);

  Object.assign(labs, { network, gradient, fgsm, step, pgd, images });
})();
