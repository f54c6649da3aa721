// Bundles the packages that the labs use into book/_static/labs/vendor, as classic scripts: a page that is opened from
// disk may load no modules. Run it as `npm ci && npm run vendor` in this folder, or with another folder to write to.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const VENDOR = process.argv[2] ?? join(HERE, "..", "..", "book", "_static", "labs", "vendor");
const PACKAGES = join(HERE, "node_modules");

// Of TensorFlow.js what two small networks and their gradients need: each kernel and gradient registers itself.
const OPERATIONS = [
  "conv2d", "logSoftmax", "matMul", "oneHot", "tensor",
];
const CORE = ["customGrad", "dispose", "env", "grad", "memory", "ready", "setBackend", "tidy", ...OPERATIONS];
const GRADIENTS = [
  "Add", "BatchMatMul", "Cast", "ClipByValue", "Conv2D", "Exp", "Identity", "Log", "LogSoftmax", "Max",
  "Multiply", "Neg", "RealDiv", "Relu", "Reshape", "Select", "Sign", "Sqrt", "Square", "Sub", "Sum",
  "Transpose",
];
const KERNELS = [
  "Add", "ArgMax", "BatchMatMul", "Cast", "ClipByValue", "Concat", "Conv2D", "Conv2DBackpropInput", "Equal", "Exp", "Fill",
  "Identity", "Log", "Max", "Multiply", "Neg", "OneHot", "RealDiv", "Relu",
  "Reshape", "Select", "Sign", "Slice", "Sqrt", "Square", "Step", "Sub", "Sum", "Tile", "Transpose", "ZerosLike",
];
const CHAINED = [
  "add", "argMax", "clipByValue", "div", "mul", "neg", "relu", "reshape", "sign", "sqrt", "square", "sub", "sum", "transpose", "logSumExp",
];

const tensorflow = () => {
  const core = "@tensorflow/tfjs-core/dist";
  const wasm = "@tensorflow/tfjs-backend-wasm/dist";
  const exported = (path, end) => {
    const text = readFileSync(join(PACKAGES, `${path}.js`), "utf8");
    return text.match(new RegExp(`export const (\\w+${end})`))[1];
  };
  const registered = (names, what, path, end) =>
    names.map((name, i) => {
      const file = path(name);
      return `import { ${exported(file, end)} as ${what}${i} } from "${file}"; register${what}(${what}${i});`;
    });
  return [
    `export { setWasmPaths } from "${wasm}/base";`,
    `import "${core}/base_side_effects";`,
    `import { registerGradient, registerKernel } from "${core}/base";`,
    ...CHAINED.map((name) => `import "${core}/public/chained_ops/${name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)}";`),
    ...registered(GRADIENTS, "Gradient", (name) => `${core}/gradients/${name}_grad`, "Config"),
    ...registered(KERNELS, "Kernel", (name) => `${wasm}/kernels/${name}`, "Config"),
    `export { ${CORE.join(", ")} } from "${core}/base";`,
  ].join("\n");
};

const BUNDLES = {
  tf: { contents: tensorflow() },
  statistics: {
    contents: `
      export { randomBinomial, randomLcg, randomNormal } from "d3-random";
      export { default as jStat } from "jstat";
      export { EigenvalueDecomposition, Matrix } from "ml-matrix";`,
  },
  uPlot: { contents: 'export { default } from "uplot";', footer: "uPlot = uPlot.default;" },
};

// Of each package what is named above or needed by it, not all; and no threads that share memory, which a page from disk
// lacks.
const DISTRIBUTIONS = ["core", "special", "distribution"]; // of jStat, whose parts are one script, no modules
const small = {
  name: "small",
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^@tensorflow\/tfjs-core$/ }, () => ({ path: join(PACKAGES, "@tensorflow/tfjs-core/dist/base.js") }));
    onResolve({ filter: /^ml-matrix$/ }, () => ({ path: join(PACKAGES, "ml-matrix/src/index.js"), sideEffects: false }));
    onResolve({ filter: /threaded-simd/ }, (module) => ({ path: module.path, namespace: "threads" }));
    const contents = "export default null; export const wasmWorkerContents = '';";
    onLoad({ filter: /.*/, namespace: "threads" }, () => ({ contents }));
    onLoad({ filter: /jstat.dist.jstat\.js$/ }, () => {
      const parts = DISTRIBUTIONS.map((part) => readFileSync(join(PACKAGES, "jstat/src", `${part}.js`), "utf8"));
      return { contents: [...parts, "module.exports = jStat;"].join("\n") };
    });
  },
};

// A package's licence, or the head of its code, which names the licence whose text stands below.
const text = (folder, main) => {
  const file = ["LICENSE", "LICENSE.md", "LICENSE.txt"].map((name) => join(folder, name)).find((path) => existsSync(path));
  if (file) return readFileSync(file, "utf8");
  return readFileSync(join(folder, main), "utf8").match(/@license\n([^]*?)\n \* ===/)[1].replaceAll(/^ \* ?/gm, "");
};
const licence = (name) => {
  const folder = join(PACKAGES, name);
  const { version, license, licenses, main } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return `${name} ${version}, ${license ?? licenses.map(({ type }) => type).join()}\n\n${text(folder, main).replaceAll("\r", "").trim()}\n`;
};

mkdirSync(VENDOR, { recursive: true });
const packages = new Set(); // those of which a bundle has any code
for (const [name, { contents, footer }] of Object.entries(BUNDLES)) {
  const { metafile } = await build({
    stdin: { contents, resolveDir: HERE },
    outfile: join(VENDOR, `${name}.min.js`),
    bundle: true,
    minify: true,
    format: "iife",
    globalName: name,
    legalComments: "none",
    banner: { js: "// Made by tools/labs/vendor.js; licences in LICENSES.txt." },
    footer: { js: footer ?? "" },
    external: ["util"],
    plugins: [small],
    logLevel: "warning",
    metafile: true,
  });
  for (const { inputs } of Object.values(metafile.outputs)) {
    const used = Object.keys(inputs).filter((path) => inputs[path].bytesInOutput);
    for (const path of used) packages.add(path.match(/.*node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]);
  }
}
const binary = readFileSync(join(PACKAGES, "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm"));
const zipped = gzipSync(binary, { level: 9 }).toString("base64"); // as text: a page from disk may fetch no file
writeFileSync(join(VENDOR, "tfBinary.js"), `// Made by tools/labs/vendor.js; licences in LICENSES.txt.\nwindow.tfBinary = "${zipped}";\n`);
copyFileSync(join(PACKAGES, "uplot", "dist", "uPlot.min.css"), join(VENDOR, "uPlot.min.css"));
packages.delete(undefined); // what stands above, and the modules that `small` leaves empty
writeFileSync(join(VENDOR, "LICENSES.txt"), [...packages].sort().map(licence).join(`\n${"-".repeat(80)}\n\n`));
