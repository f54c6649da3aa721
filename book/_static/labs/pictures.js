// Pictures of 28 x 28 grey pixels: shown, drawn by hand, made out of a file.
window.labs = window.labs ?? {};
(() => {
  const SIDE = 28;
  const BOX = 20; // as in MNIST a digit fills 20 x 20 pixels, its centre of mass in the middle
  const LARGEST = 50e6; // pixels of a file

  // Values (784) on a canvas, through a function that gives each its red, green and blue.
  const show = (canvas, values, rgb) => {
    const context = canvas.getContext("2d");
    const image = context.createImageData(SIDE, SIDE);
    values.forEach((value, i) => image.data.set([...rgb(value), 255], 4 * i));
    context.putImageData(image, 0, 0);
  };
  const grey = (value) => Array(3).fill(Math.round(255 * value));
  // Blue below zero, white at zero, orange above, full at 1.
  const signed = (value) => {
    const [full, share] = [value < 0 ? [0, 114, 178] : [213, 94, 0], Math.min(1, Math.abs(value))];
    return full.map((channel) => Math.round(255 + (channel - 255) * share));
  };

  // The grey values (0 to 1) of a part of something that can be drawn, made SIDE x SIDE at the given place.
  const reduced = (source, [x, y, width, height], [left, top, across, down] = [0, 0, SIDE, SIDE]) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingQuality = "high";
    context.fillRect(0, 0, SIDE, SIDE);
    context.drawImage(source, x, y, width, height, left, top, across, down);
    const { data } = context.getImageData(0, 0, SIDE, SIDE);
    return Float32Array.from({ length: SIDE * SIDE }, (_, i) => {
      const [red, green, blue] = data.subarray(4 * i);
      return Math.round(0.299 * red + 0.587 * green + 0.114 * blue) / 255;
    });
  };

  const rim = (values) => values.filter((_, i) => i < SIDE || i >= SIDE * (SIDE - 1) || i % SIDE === 0 || i % SIDE === SIDE - 1);
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  // A file as pixels (784), and a sentence about what was done to it; throws a sentence where it is no such picture.
  const read = async (file) => {
    let picture;
    try {
      picture = await createImageBitmap(file);
    } catch {
      throw new Error(`${file.name} is no picture that this browser can read; choose a PNG, a JPEG or a WebP.`);
    }
    const { width, height } = picture;
    if (Math.min(width, height) < SIDE) {
      throw new Error(`${file.name} has ${width} x ${height} pixels; choose a picture of 28 x 28 or more.`);
    }
    if (width * height > LARGEST) {
      throw new Error(`${file.name} has ${width} x ${height} pixels; choose a picture of 50 million pixels or fewer.`);
    }
    const side = Math.min(width, height);
    let values = reduced(picture, [(width - side) / 2, (height - side) / 2, side, side]);
    const swapped = mean(rim(values)) > 0.5;
    if (swapped) values = values.map((value) => 1 - value);
    const cut = width === height ? "" : ", cut to the square in its middle";
    const words = `${file.name}: made grey and 28 x 28${cut}${swapped ? ", light and dark swapped, as the networks know it" : ""}.`;
    return { values, words };
  };

  // A sheet to draw on: `pixels()` gives what is on it as MNIST has its digits, or null where it is empty.
  const sheet = (canvas) => {
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const pen = { x: canvas.width / 2, y: canvas.height / 2, down: false };
    const wipe = () => {
      context.fillStyle = "black";
      context.fillRect(0, 0, canvas.width, canvas.height);
      pen.down = false;
    };
    const line = (x, y) => {
      Object.assign(context, { strokeStyle: "white", lineWidth: 22, lineCap: "round", lineJoin: "round" });
      context.beginPath();
      context.moveTo(pen.x, pen.y);
      context.lineTo(x + 0.01, y); // a line of no length draws no dot
      context.stroke();
    };
    const move = (x, y) => {
      const [toX, toY] = [x, y].map((value) => Math.max(0, Math.min(canvas.width, value)));
      if (pen.down) line(toX, toY);
      Object.assign(pen, { x: toX, y: toY });
    };
    const place = ({ clientX, clientY }) => {
      const box = canvas.getBoundingClientRect();
      return [((clientX - box.left) / box.width) * canvas.width, ((clientY - box.top) / box.height) * canvas.height];
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pen.down = false;
      move(...place(event));
      pen.down = true;
      move(pen.x, pen.y);
    });
    canvas.addEventListener("pointermove", (event) => event.buttons && move(...place(event)));
    canvas.addEventListener("pointerup", () => (pen.down = false));
    const ARROWS = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10] };
    canvas.addEventListener("keydown", (event) => {
      if (event.key in ARROWS) move(pen.x + ARROWS[event.key][0], pen.y + ARROWS[event.key][1]);
      else if (event.key === " ") {
        pen.down = !pen.down;
        move(pen.x, pen.y);
      } else return;
      canvas.ariaLabel = `Paper to draw on, pen ${pen.down ? "down" : "up"} at ${Math.round(pen.x)}, ${Math.round(pen.y)} of 280`;
      event.preventDefault();
    });
    wipe();
    return { wipe, pixels: () => centred(canvas, context) };
  };

  // What is drawn, scaled into 20 x 20 pixels and moved so that its centre of mass is the middle.
  const centred = (canvas, context) => {
    const { width, height } = canvas;
    const { data } = context.getImageData(0, 0, width, height);
    const inked = [];
    for (let i = 0; i < width * height; i++) if (data[4 * i] > 64) inked.push(i);
    if (!inked.length) return null;
    let [left, right, top, bottom, sumX, sumY] = [width, 0, height, 0, 0, 0];
    for (const i of inked) {
      const [x, y] = [i % width, Math.floor(i / width)];
      [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x + 1), Math.min(top, y), Math.max(bottom, y + 1)];
      sumX += x + 0.5;
      sumY += y + 0.5;
    }
    const scale = BOX / Math.max(right - left, bottom - top);
    const [x, y] = [sumX / inked.length - left, sumY / inked.length - top].map((middle) => Math.round(SIDE / 2 - middle * scale));
    return reduced(canvas, [left, top, right - left, bottom - top], [x, y, (right - left) * scale, (bottom - top) * scale]);
  };

  Object.assign(labs, { grey, read, sheet, show, signed });
})();
