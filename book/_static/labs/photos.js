// Windows of photographs and what attacks change in them: decoded, scaled, painted pixel for pixel.
window.labs = window.labs ?? {};
(() => {
  const NONE = 128; // what stands for no change
  const GOLDEN = 0.6180339887498949;

  // The red, green and blue of a picture (WebP in base64), four bytes a pixel.
  const decoded = async (base64) => {
    const picture = Object.assign(new Image(), { src: `data:image/webp;base64,${base64}` });
    await picture.decode();
    const { naturalWidth: width, naturalHeight: height } = picture;
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(picture, 0, 0);
    return context.getImageData(0, 0, width, height).data;
  };

  // A window's pixels, three numbers each, and each method's change of them.
  const opened = async ({ clean, changes }, methods) => {
    const [pixels, stacked] = await Promise.all([decoded(clean), decoded(changes)]);
    const rgb = (data, offset, size, minus) =>
      Int16Array.from({ length: size }, (_, i) => data[offset + 4 * Math.floor(i / 3) + (i % 3)] - minus);
    const size = (3 * pixels.length) / 4;
    const change = methods.map((method, m) => [method, rgb(stacked, m * pixels.length, size, NONE)]);
    return { clean: rgb(pixels, 0, size, 0), changes: Object.fromEntries(change) };
  };

  // A sheet of grey maps of `side` x `side`, `across` of them side by side and `down` below each other: maps[down][across].
  const grid = async (base64, across, down, side) => {
    const data = await decoded(base64);
    const value = (row, column, i) => data[4 * ((row * side + Math.floor(i / side)) * across * side + column * side + (i % side))];
    const one = (row, column) => Uint8Array.from({ length: side * side }, (_, i) => value(row, column, i));
    return Array.from({ length: down }, (_, row) => Array.from({ length: across }, (_, column) => one(row, column)));
  };

  // The pixels with a change times `scale`, as fairlib.book.labs.attacked.scaled has it.
  const scaled = (clean, change, scale) =>
    Uint8ClampedArray.from(clean, (value, i) => value + Math.floor(scale * change[i] + ((i * GOLDEN) % 1)));

  // The L2 norm of a change, pixels in [0, 1].
  const l2 = (clean, changed) => Math.sqrt(clean.reduce((sum, value, i) => sum + ((changed[i] - value) / 255) ** 2, 0));

  const paint = (canvas, rgb) => {
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    image.data.fill(255);
    for (let i = 0; i < rgb.length; i++) image.data[i + Math.floor(i / 3)] = rgb[i];
    context.putImageData(image, 0, 0);
  };

  // A pixel of the canvas takes `times` of the screen's, neither fewer nor more, and starts where one starts.
  const fitted = (canvas, times = 1) => {
    const ratio = devicePixelRatio;
    Object.assign(canvas.style, {
      width: `${(times * canvas.width) / ratio}px`, height: `${(times * canvas.height) / ratio}px`,
      position: "relative", left: "0px", top: "0px",
    });
    const box = canvas.getBoundingClientRect();
    // A browser lays out in 64ths of its own pixel, so that whole ones are best where they are whole on the screen, too.
    const off = (place) => {
      const whole = Array.from({ length: 16 }, (_, i) => Math.ceil(place) + i).find((at) => Math.abs(at * ratio - Math.round(at * ratio)) < 1e-6);
      return (whole ?? Math.round(place * ratio) / ratio) - place;
    };
    Object.assign(canvas.style, { left: `${off(box.left + scrollX)}px`, top: `${off(box.top + scrollY)}px` });
  };

  Object.assign(labs, { fitted, grid, l2, opened, paint, scaled });
})();
