// TensorFlow.js computes with its WebAssembly backend, whose binary comes with the page: nothing is fetched.
window.labs = window.labs ?? {};
labs.ready = async () => {
  const names = ["tfjs-backend-wasm.wasm", "tfjs-backend-wasm-simd.wasm", "tfjs-backend-wasm-threaded-simd.wasm"];
  tf.setWasmPaths(Object.fromEntries(names.map((name) => [name, name])), true);
  const { platform } = tf.env();
  const fetched = platform.fetch;
  const zipped = new Response(labs.bytes(window.tfBinary)).body;
  platform.fetch = async () => new Response(zipped.pipeThrough(new DecompressionStream("gzip")));
  try {
    if (!(await tf.setBackend("wasm"))) throw new Error("the WebAssembly backend did not start");
  } finally {
    platform.fetch = fetched;
  }
};
