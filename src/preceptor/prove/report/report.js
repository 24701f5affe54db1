// The page works without this script: every picture has a still one. With it, slices can be walked through, layers
// switched, and values read under the pointer.
"use strict";
(() => {
  // ------------------------------------------------------------ values of charts
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  document.body.append(tip);
  const showTip = (event) => {
    const mark = event.target.closest && event.target.closest("[data-tip]");
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.dataset.tip;
    const box = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, event.clientX - box.width / 2), innerWidth - box.width - 8);
    const above = event.clientY - box.height - 14;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 4 ? above : event.clientY + 18}px`;
  };
  document.addEventListener("pointerover", showTip);
  document.addEventListener("pointerdown", showTip);
  document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

  // ------------------------------------------------------------ pictures
  const structures = JSON.parse(document.getElementById("structures").textContent);
  const heat = JSON.parse(document.getElementById("heat").textContent);
  const rgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  const colours = structures.map((each) => rgb(each.colour));
  const tables = { plain: heat.plain.map(rgb), signed: heat.signed.map(rgb) };

  const load = (source) => new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = reject;
    image.src = source;
  });
  const sheet = (width, height) => {
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    return canvas;
  };
  const round = (value) => {
    const size = Math.abs(value);
    if (size < 1e-12) return "0";
    const text = size >= 100 ? value.toFixed(0) : size < 1e-3 ? value.toExponential(1) : value.toPrecision(3);
    return text.replace("-", "\u2212");
  };

  class Pane {
    constructor(figure, spec) {
      this.spec = spec;
      this.screen = figure.querySelector(".screen");
      this.figure = figure;
      [this.rows, this.columns] = spec.size;
      const [high, wide] = spec.pixel;
      const unit = Math.min(high, wide);
      const factor = 720 / Math.max(this.rows * high / unit, this.columns * wide / unit);
      this.width = Math.round(this.columns * wide / unit * factor);
      this.height = Math.round(this.rows * high / unit * factor);
      this.hidden = new Set();
      this.index = spec.first;
    }

    async open() {
      const pixels = (image) => {
        const canvas = sheet(image.width, image.height);
        const context = canvas.getContext("2d", { willReadFrequently: true });
        context.drawImage(image, 0, 0);
        return context;
      };
      this.base = await load(this.spec.base);
      this.values = pixels(this.base);
      this.layers = [];
      for (const layer of this.spec.layers) {
        this.layers.push({ ...layer, values: pixels(await load(layer.source)) });
      }
      this.canvas = sheet(this.width, this.height);
      this.canvas.setAttribute("role", "img");
      this.canvas.setAttribute("aria-label", this.spec.alt);
      this.screen.replaceChildren(this.canvas);
      this.spec.sides.forEach((letter, at) => {
        if (!letter) return;
        const side = document.createElement("span");
        side.className = `side ${["left", "right", "top", "bottom"][at]}`;
        side.textContent = letter;
        this.screen.append(side);
      });
      this.readout = document.createElement("div");
      this.readout.className = "readout";
      this.readout.textContent = "Point at the picture to read its values.";
      this.figure.append(this.readout);
      for (const layer of this.layers) if (layer.kind === "heat") this.figure.insertBefore(this.scale(layer), this.readout);
      this.canvas.addEventListener("pointermove", (event) => this.tell(event));
      this.canvas.addEventListener("pointerdown", (event) => this.tell(event));
    }

    scale(layer) {
      const bar = sheet(256, 1);
      const context = bar.getContext("2d");
      tables[layer.signed ? "signed" : "plain"].forEach((colour, at) => {
        context.fillStyle = `rgb(${colour})`;
        context.fillRect(at, 0, 1, 1);
      });
      const row = document.createElement("div");
      row.className = "scale";
      row.append(round(layer.low), bar, round(layer.high));
      return row;
    }

    corner(index) {
      return [index % this.spec.across * this.columns, Math.floor(index / this.spec.across) * this.rows];
    }

    draw(index) {
      this.index = index;
      const context = this.canvas.getContext("2d");
      const [left, top] = this.corner(index);
      context.imageSmoothingEnabled = true;
      context.imageSmoothingQuality = "high";
      context.drawImage(this.base, left, top, this.columns, this.rows, 0, 0, this.width, this.height);
      for (const layer of this.layers) {
        if (this.hidden.has(layer.name)) continue;
        const data = layer.values.getImageData(left, top, this.columns, this.rows).data;
        if (layer.kind === "outline") this.outline(context, data);
        else this.paint(context, data, layer);
      }
    }

    paint(context, data, layer) {
      const small = sheet(this.columns, this.rows);
      const inner = small.getContext("2d");
      const picture = inner.createImageData(this.columns, this.rows);
      const table = tables[layer.signed ? "signed" : "plain"];
      const largest = Math.max(Math.abs(layer.low), Math.abs(layer.high)) || 1;
      for (let at = 0; at < data.length; at += 4) {
        const value = data[at];
        if (layer.kind === "fill") {
          if (value === 0) continue;
          picture.data.set([...colours[(value - 1) % colours.length], 115], at);
        } else {
          const size = Math.abs(value / 255 * (layer.high - layer.low) + layer.low) / largest;
          picture.data.set([...table[value], Math.round(178 * size ** 0.75)], at);
        }
      }
      inner.putImageData(picture, 0, 0);
      context.imageSmoothingEnabled = layer.kind === "heat";
      context.drawImage(small, 0, 0, this.width, this.height);
    }

    outline(context, data) {
      const wide = this.width / this.columns, high = this.height / this.rows;
      const at = (row, column) =>
        row < 0 || column < 0 || row >= this.rows || column >= this.columns ? 0 : data[4 * (row * this.columns + column)];
      context.lineWidth = Math.max(2.5, Math.min(5, 0.3 * Math.min(wide, high)));
      context.lineCap = "square";
      for (let row = 0; row < this.rows; row += 1) {
        for (let column = 0; column < this.columns; column += 1) {
          const value = at(row, column);
          if (value === 0) continue;
          const [x, y] = [column * wide, row * high];
          const edges = [
            [at(row - 1, column), x, y, x + wide, y], [at(row + 1, column), x, y + high, x + wide, y + high],
            [at(row, column - 1), x, y, x, y + high], [at(row, column + 1), x + wide, y, x + wide, y + high],
          ].filter((edge) => edge[0] !== value);
          if (!edges.length) continue;
          context.strokeStyle = `rgb(${colours[(value - 1) % colours.length]})`;
          context.beginPath();
          for (const [, x0, y0, x1, y1] of edges) { context.moveTo(x0, y0); context.lineTo(x1, y1); }
          context.stroke();
        }
      }
    }

    tell(event) {
      const box = this.canvas.getBoundingClientRect();
      const shown = Math.min(box.width / this.width, box.height / this.height);
      const x = (event.clientX - box.left - (box.width - this.width * shown) / 2) / (this.width * shown);
      const y = (event.clientY - box.top - (box.height - this.height * shown) / 2) / (this.height * shown);
      const column = Math.floor(x * this.columns), row = Math.floor(y * this.rows);
      if (column < 0 || row < 0 || column >= this.columns || row >= this.rows) return;
      const [left, top] = this.corner(this.index);
      const pixel = (context) => context.getImageData(left + column, top + row, 1, 1).data;
      const grey = pixel(this.values);
      const value = (each) => round(this.spec.low + each / 255 * (this.spec.high - this.spec.low));
      const same = grey[0] === grey[1] && grey[1] === grey[2];
      const told = [`image ≈ ${same ? value(grey[0]) : [...grey].slice(0, 3).map(value).join(", ")}`];
      for (const layer of this.layers) {
        const found = pixel(layer.values)[0];
        const words = layer.kind === "heat" ? round(layer.low + found / 255 * (layer.high - layer.low)) : layer.names[found];
        told.push(`${layer.name}: ${words}`);
      }
      this.readout.textContent = `column ${column + 1}, row ${row + 1}: ${told.join("; ")}`;
    }
  }

  const start = async (viewer) => {
    const specs = JSON.parse(viewer.querySelector("script").textContent);
    specs.forEach((spec) => { spec.base ||= specs[0].base; });
    const panes = [...viewer.querySelectorAll(".pane")].map((figure, at) => new Pane(figure, specs[at]));
    await Promise.all(panes.map((pane) => pane.open()));
    const controls = document.createElement("div");
    controls.className = "controls";
    const count = Math.max(...specs.map((spec) => spec.count));
    const together = specs.every((spec) => spec.count === specs[0].count);
    if (count > 1 && together) {
      const slider = document.createElement("input");
      slider.type = "range";
      slider.min = 0;
      slider.max = count - 1;
      slider.value = specs[0].first;
      slider.setAttribute("aria-label", `Slice of ${viewer.dataset.name}`);
      const place = document.createElement("output");
      const turn = () => {
        place.textContent = specs[0].places[slider.value];
        slider.setAttribute("aria-valuetext", place.textContent);
        panes.forEach((pane) => pane.draw(Number(slider.value)));
      };
      slider.addEventListener("input", turn);
      controls.append(slider, place);
      turn();
    }
    const names = [...new Set(specs.flatMap((spec) => spec.layers.map((layer) => layer.name)))];
    for (const name of names) {
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = true;
      box.addEventListener("change", () => panes.forEach((pane) => {
        if (box.checked) pane.hidden.delete(name); else pane.hidden.add(name);
        pane.draw(pane.index);
      }));
      label.append(box, name);
      controls.append(label);
    }
    panes.forEach((pane) => pane.draw(pane.index));
    if (controls.children.length) viewer.append(controls);
  };

  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      watcher.unobserve(entry.target);
      start(entry.target).catch(() => {});  // the still picture stays
    }
  }, { rootMargin: "400px" });
  document.querySelectorAll(".viewer").forEach((viewer) => watcher.observe(viewer));
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
})();
