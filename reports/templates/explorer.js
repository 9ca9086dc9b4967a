// The latent explorer. Everything is in the page already: Bokeh compressed, the rows as compressed bytes.
// Strings of the data reach the page through textContent only.
(async () => {
"use strict";

const MARKERS = ["circle", "triangle", "square", "diamond", "star", "inverted_triangle", "plus", "hex", "asterisk"];
const SIGNS = ["\u25cf", "\u25b2", "\u25a0", "\u25c6", "\u2605", "\u25bc", "\u271a", "\u2b22", "\u2731"];
// from dark to light through blue, green and yellow: told apart with every kind of colour vision
const SCALE = ["#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
const NEAR = 12; // pixels within which a row counts as under the pointer

const at = name => document.getElementById("explorer-" + name);
const root = at("app");
if (root === null) return;

try {
  await explore();
} catch (error) {
  // The sentence that stands in for the map stays; say why for those who ask.
  root.hidden = true;
  at("instead").hidden = false;
  at("instead").append(" It could not be started here: " + String(error.message || error) + ".");
}

async function unpack(text) {
  const raw = atob(text.trim()), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function loadBokeh() {
  for (const library of document.querySelectorAll("script.library")) {
    const script = document.createElement("script");
    // The content policy lists the hash of this text: changed by one byte it would not run.
    script.textContent = new TextDecoder().decode(await unpack(library.textContent));
    // Bokeh writes <style> elements, which only a lax content policy would allow. The first ones come with loading
    // and are for notifications, which are not used: they become elements that do nothing.
    const make = document.createElement;
    document.createElement = (tag, ...more) => make.call(document, tag === "style" ? "template" : tag, ...more);
    document.head.append(script);
    delete document.createElement;
    script.remove();
  }
  if (!window.Bokeh) throw new Error("Bokeh did not load");
  // All later ones become style sheets that a script constructs, which need no permission.
  const { InlineStyleSheet } = Bokeh.require("@bokehjs/core/dom");
  const built = new WeakMap();
  const sheet = self => {
    if (!built.has(self)) built.set(self, new CSSStyleSheet());
    return built.get(self);
  };
  const home = self => self.home ? self.home.adoptedStyleSheets : [];
  Object.assign(InlineStyleSheet.prototype, {
    _update(css) { this.written = css; sheet(this).replaceSync(css); },
    install(element) {
      this.uninstall();
      this.home = "adoptedStyleSheets" in element ? element : element.getRootNode();
      this.home.adoptedStyleSheets = [...this.home.adoptedStyleSheets, sheet(this)];
    },
    uninstall() {
      if (this.home) this.home.adoptedStyleSheets = home(this).filter(other => other !== sheet(this));
      this.home = null;
    },
    remove() { this.uninstall(); },
  });
  Object.defineProperty(InlineStyleSheet.prototype, "css", { get() { return this.written || ""; } });
}

// One column of the packed bytes as an array; see _Pack in explorer.py.
function reader(columns, bytes) {
  return name => {
    const column = columns[name];
    if (column === undefined) return null;
    const { kind, n, start, end } = column, from = i => bytes[start + i];
    if (kind === "json") return JSON.parse(new TextDecoder().decode(bytes.subarray(start, end)));
    if (kind === "f32") return new Float32Array(bytes.slice(start, end).buffer);
    if (kind === "u8") return bytes.slice(start, end);
    if (kind === "u16") return Uint16Array.from({ length: n }, (_, i) => from(i) * 256 + from(n + i));
    if (kind === "i32") {
      const out = new Uint32Array(n);
      for (let i = 0, sum = 0; i < n; i++) {
        sum = (sum + from(i) * 16777216 + (from(n + i) << 16) + (from(2 * n + i) << 8) + from(3 * n + i)) % 4294967296;
        out[i] = sum;
      }
      return out;
    }
    const out = new Float32Array(n), { low, step } = column;
    for (let i = 0; i < n; i++) {
      const code = kind === "q16"
        ? from(i) * 256 + from(n + i)
        : from(i) * 16 + (from(n + (i >> 1)) >> 4 * (i & 1) & 15);
      out[i] = code ? low + (code - 1) * step : NaN;
    }
    return out;
  };
}

async function explore() {
  const given = JSON.parse(at("data").textContent);
  const [bytes] = await Promise.all([unpack(given.bytes), loadBokeh()]);
  const read = reader(given.columns, bytes), n = given.n;
  const ids = read("row"), split = read("split"), classes = read("classes"), shownNames = read("classes_shown");
  const labels = Object.fromEntries(["label_given", "label_pred", "label_true"].map(key => [key, read(key)]));
  const clusters = read("cluster");
  const values = Object.fromEntries(
    ["confidence", "suspicion", "reconstruction_error"].map(key => [key, read(key)]));
  const previews = new Map((read("previews") ? [...read("previews")] : []).map((row, i) => [row, i]));
  const featureNames = read("features") || [];
  const features = featureNames.map((_, i) => read("feature " + i));
  const place = Int32Array.from(read("sampled") || [], ((next) => yes => yes ? next++ : -1)(0));
  const cache = new Map();
  const coordinate = name => {
    if (!cache.has(name)) {
      const some = read(name);
      cache.set(name, some.length === n ? some : Float32Array.from(place, i => i < 0 ? NaN : some[i]));
    }
    return cache.get(name);
  };

  const doc = Bokeh.require("@bokehjs/document").Document.from_json(given.plot);
  const model = name => doc.get_model_by_name(name);
  const plot = model("plot"), rows = model("rows"), focus = model("focus rows");
  const tool = type => plot.toolbar.tools.find(other => other.type === type);
  const tools = { pan: tool("PanTool"), box: tool("BoxSelectTool"), lasso: tool("LassoSelectTool") };
  const wheel = tool("WheelZoomTool");

  let x, y; // where the rows lie in the plane that is shown
  let paint; // what colours them: { coloring, codes or values, names }
  let hidden = new Set(); // codes of classes that the legend has switched off
  let shown = new Uint8Array(n);
  let selected = [], walked = -1;
  let view;

  // ---- What is shown -------------------------------------------------------------------------------

  const value = name => at(name) ? at(name).value : "";
  const axes = () => {
    const [first, second, xName, yName] = given.views[value("view")];
    return value("view") === "axes"
      ? [...["x", "y"].map(end => "z" + value(end)), ...["x", "y"].map(end => "z" + value(end))]
      : [first, second, xName, yName];
  };

  function place_rows() {
    const [first, second, xName, yName] = axes();
    const flat = { x: coordinate(first), y: coordinate(second), name: yName };
    if (flat.y.every(v => !(Math.abs(v) > 1e-12))) {
      // One latent dimension: spread the rows, so that they can be told apart.
      flat.y = Float32Array.from({ length: n }, (_, i) => i * 0.6180339887 % 1);
      flat.name = "spread out (means nothing)";
    }
    x = flat.x;
    y = flat.y;
    plot.below[0].axis_label = xName;
    plot.left[0].axis_label = flat.name;
    const free = value("view") === "umap"; // its coordinates carry no unit
    for (const axis of [plot.below[0], plot.left[0]])
      axis.setv({ major_label_text_alpha: free ? 0 : 1, major_tick_line_alpha: free ? 0 : 1, minor_tick_line_alpha: 0 });
    for (const end of ["x", "y"]) if (at(end)) at(end).closest("label").hidden = value("view") !== "axes";
    const part = given.partial[value("view")], of = given.of.toLocaleString("en");
    at("drawn").textContent =
      (given.n < given.of ? `The map holds ${given.n.toLocaleString("en")} of ${of} rows, the same share of every group. ` : "") +
      (part ? `In this view are ${part.toLocaleString("en")} of them, the same share of every group.` : "");
    at("drawn").hidden = !at("drawn").textContent;
    put_prior();
  }

  // Bokeh takes colours as whole numbers of 32 bits, which are a tenth of the work of strings.
  function rgba(color) {
    return (parseInt(color.slice(1), 16) << 8 | 255) >>> 0;
  }

  function between(share) {
    const spot = Math.min(Math.max(share, 0), 1) * (SCALE.length - 1), i = Math.min(Math.floor(spot), SCALE.length - 2);
    const mix = k => Math.round(parseInt(SCALE[i].substr(k, 2), 16) * (1 - spot + i) + parseInt(SCALE[i + 1].substr(k, 2), 16) * (spot - i));
    return "#" + [1, 3, 5].map(k => mix(k).toString(16).padStart(2, "0")).join("");
  }

  const color_of = code => code ? given.palette[(code - 1) % given.palette.length] : given.rest;
  const shape_of = code => code ? Math.floor((code - 1) / given.palette.length) % MARKERS.length : 0;

  function choose_colors() {
    const coloring = given.colorings.find(other => other.key === value("color"));
    hidden = new Set();
    if (coloring.kind === "numbers") {
      const [low, high] = coloring.range, numbers = values[coloring.key];
      const steps = Array.from({ length: 256 }, (_, i) => rgba(between(i / 255)));
      const codes = Uint8Array.from(numbers, v => v === v ? 1 : 0), rest = rgba(given.rest);
      const colors = Uint32Array.from(numbers, v =>
        v === v ? steps[Math.round(255 * Math.min(Math.max((v - low) / (high - low || 1), 0), 1))] : rest);
      paint = { coloring, codes, colors, shapes: null };
    } else {
      const codes = coloring.kind === "clusters" ? clusters : labels[coloring.key];
      const top = codes.reduce((a, b) => Math.max(a, b), 0);
      const colors = Array.from({ length: top + 1 }, (_, code) => rgba(color_of(code)));
      paint = {
        coloring, codes,
        colors: Uint32Array.from(codes, code => colors[code]),
        shapes: top > given.palette.length ? Array.from(codes, code => MARKERS[shape_of(code)]) : null,
      };
    }
    draw_legend();
  }

  function filter() {
    const part = { train: 0, holdout: 1 }[value("split")], switches = paint.coloring.kind !== "numbers";
    const back = [], front = [];
    for (let i = 0; i < n; i++) {
      const code = paint.codes[i];
      shown[i] = x[i] === x[i] && y[i] === y[i] && (part === undefined || split[i] === part)
        && !(switches && hidden.has(code)) ? 1 : 0;
      if (shown[i]) (code ? front : back).push(i);
    }
    for (const [name, indices] of [["back", back], ["front", front]]) model(name).view.filter.indices = indices;
    const kept = selected.filter(i => shown[i]);
    if (kept.length !== selected.length) rows.selected.indices = kept;
    tell();
  }

  function put_rows() {
    rows.data = { x, y, color: paint.colors, ...(paint.shapes ? { shape: paint.shapes } : {}) };
    for (const name of ["back", "front"]) {
      const glyph = model(name);
      for (const part of [glyph.glyph, glyph.nonselection_glyph, glyph.selection_glyph, glyph.muted_glyph])
        if (part && part.marker !== undefined)
          part.marker = paint.shapes && name === "front" ? { field: "shape" } : { value: "circle" };
    }
  }

  function fit() {
    const box = view ? view.frame.bbox : { width: at("map").clientWidth - 60, height: at("map").clientHeight - 60 };
    let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
    const include = (across, up) => {
      if (across < left) left = across;
      if (across > right) right = across;
      if (up < low) low = up;
      if (up > high) high = up;
    };
    for (let i = 0; i < n; i++) if (x[i] === x[i] && y[i] === y[i]) include(x[i], y[i]);
    if (value("view") === "latent" && n)
      for (const outline of given.outlines)
        for (const [across, up] of outline.lines) across.forEach((at, i) => include(at, up[i]));
    if (left > right) [left, right, low, high] = [0, 1, 0, 1];
    let width = 1.06 * (right - left) || 1, height = 1.06 * (high - low) || 1;
    if (plot.left[0].axis_label !== "spread out (means nothing)") { // one unit is as long across as up
      const unit = Math.max(width / Math.max(box.width, 1), height / Math.max(box.height, 1));
      [width, height] = [unit * Math.max(box.width, 1), unit * Math.max(box.height, 1)];
    }
    plot.x_range.setv({ start: (left + right - width) / 2, end: (left + right + width) / 2 });
    plot.y_range.setv({ start: (low + high - height) / 2, end: (low + high + height) / 2 });
  }

  function put_prior() {
    const [first, second] = axes(), codes = read("prior");
    const along = read("prior " + first), up = read("prior " + second), there = along !== null && up !== null;
    const ink = getComputedStyle(root).getPropertyValue("--ink").trim();
    const dye = code => rgba(code ? color_of(code) : ink);
    at("prior").disabled = !there;
    model("prior").visible = there && at("prior").checked;
    model("prior rows").data = there
      ? { x: along, y: up, color: Uint32Array.from(codes, dye) }
      : { x: [], y: [], color: [] };
    if (!at("outline")) return;
    const plane = value("view") === "latent";
    at("outline").disabled = !plane;
    model("outline").visible = plane && at("outline").checked;
    const lines = given.outlines.flatMap(outline => outline.lines.map(line => [...line, dye(outline.class)]));
    model("outline rows").data = {
      xs: lines.map(line => line[0]), ys: lines.map(line => line[1]), color: Uint32Array.from(lines, line => line[2]),
    };
  }

  function dress() {
    const style = getComputedStyle(root), [ink, muted, line] = ["--ink", "--muted", "--line"].map(v => style.getPropertyValue(v).trim());
    for (const axis of [plot.below[0], plot.left[0]])
      axis.setv({ axis_label_text_color: ink, major_label_text_color: muted, axis_line_color: muted, major_tick_line_color: muted, minor_tick_line_color: null, axis_label_text_font_style: "normal" });
    for (const grid of plot.center) if (grid.grid_line_color !== undefined) grid.grid_line_color = line;
    model("focus").glyph.line_color = { value: ink };
    put_prior();
  }

  function size() {
    const few = n <= 3000, some = n <= 20000;
    for (const name of ["back", "front"]) {
      const glyph = model(name);
      for (const part of [glyph.glyph, glyph.nonselection_glyph, glyph.selection_glyph])
        if (part && part.size !== undefined) part.size = { value: few ? 7 : some ? 5 : 3 };
    }
  }

  // ---- Legend --------------------------------------------------------------------------------------

  function element(tag, text, className) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  const name_of = (coloring, code) =>
    code === 0 ? coloring.rest : coloring.kind === "clusters" ? `cluster ${code - 1}` : shownNames[code - 1];

  function draw_legend() {
    const { coloring, codes } = paint, list = at("legend");
    at("legend-title").textContent = coloring.title[0].toUpperCase() + coloring.title.slice(1);
    list.replaceChildren();
    at("all").hidden = true;
    if (coloring.kind === "numbers") {
      const line = element("li"), bar = element("span", undefined, "scale"), [low, high] = coloring.range;
      for (let i = 0; i < 24; i++) {
        const step = element("i");
        step.style.background = between(i / 23);
        bar.append(step);
      }
      bar.setAttribute("aria-hidden", "true");
      line.append(bar);
      list.append(line, element("li", `left ${number(low)}, right ${number(high)}${coloring.open ? " or more" : ""}${codes.includes(0) ? "; grey: " + coloring.rest : ""}`));
      at("legend-hint").textContent = "";
      return;
    }
    const many = [];
    for (let i = 0; i < n; i++) many[codes[i]] = (many[codes[i]] || 0) + 1;
    const order = many.map((_, code) => code).filter(code => many[code]).sort((a, b) => (a === 0) - (b === 0) || a - b);
    for (const code of order) {
      const line = element("li"), entry = element("button", undefined, "entry"), solo = element("button", "only", "solo");
      const sign = element("span", SIGNS[shape_of(code)], "swatch");
      sign.style.color = color_of(code);
      sign.setAttribute("aria-hidden", "true");
      entry.type = solo.type = "button";
      entry.dataset.code = code;
      entry.append(sign, element("span", name_of(coloring, code), "name"), element("span", many[code].toLocaleString("en"), "many"));
      entry.addEventListener("click", () => {
        if (!hidden.delete(code)) hidden.add(code);
        press();
      });
      solo.setAttribute("aria-label", "only " + name_of(coloring, code));
      solo.addEventListener("click", () => {
        hidden = new Set(order.filter(other => other !== code));
        press();
      });
      line.append(entry, solo);
      list.append(line);
    }
    at("legend-hint").textContent = "A name switches its rows off and on.";
    mark();
  }

  function mark() {
    for (const entry of at("legend").querySelectorAll(".entry"))
      entry.setAttribute("aria-pressed", String(!hidden.has(Number(entry.dataset.code))));
    at("all").hidden = hidden.size === 0;
  }

  function press() {
    mark();
    filter();
  }

  // ---- One row -------------------------------------------------------------------------------------

  function number(v) {
    if (v !== v || v === null) return "\u2013";
    const text = Math.abs(v) >= 1e5 || (v !== 0 && Math.abs(v) < 1e-3) ? v.toExponential(2) : String(Number(v.toPrecision(4)));
    return text.replace("-", "\u2212");
  }

  const sprite = given.sprite ? new Image() : null;
  if (sprite) sprite.src = given.sprite.src;

  function describe(i) {
    const facts = [["Row", String(ids[i])], ["Part", split[i] ? "hold-out" : "training"]];
    for (const [key, title] of [["label_given", "Given label"], ["label_true", "True label"], ["label_pred", "Prediction"]])
      if (labels[key][i]) facts.push([title, shownNames[labels[key][i] - 1]]);
    if (values.confidence && values.confidence[i] === values.confidence[i]) facts.push(["Confidence", (100 * values.confidence[i]).toFixed(1) + "%"]);
    facts.push(["Cluster", clusters[i] ? String(clusters[i] - 1) : "none (noise)"]);
    if (values.suspicion && values.suspicion[i] === values.suspicion[i]) facts.push(["Suspicion", (100 * values.suspicion[i]).toFixed(1) + "%"]);
    if (values.reconstruction_error) facts.push(["Reconstruction error", number(values.reconstruction_error[i])]);
    const preview = previews.get(i);
    if (preview !== undefined) featureNames.forEach((name, k) => facts.push([name, number(features[k][preview])]));
    const list = at("facts"), picture = at("picture");
    list.replaceChildren(...facts.flatMap(([name, text]) => [element("dt", name), element("dd", text.length > 200 ? text.slice(0, 199) + "\u2026" : text)]));
    picture.hidden = !sprite || preview === undefined;
    if (!picture.hidden) {
      const { width, height, columns } = given.sprite, pen = picture.getContext("2d");
      const wide = Math.max(width, height), [w, h] = [96 * width / wide, 96 * height / wide];
      pen.clearRect(0, 0, 96, 96);
      pen.imageSmoothingEnabled = false;
      pen.drawImage(sprite, preview % columns * width, Math.floor(preview / columns) * height, width, height, (96 - w) / 2, (96 - h) / 2, w, h);
    }
    focus.data = { x: [x[i]], y: [y[i]] };
  }

  function nearest(event) {
    const box = view.frame.bbox, across = box.width / (plot.x_range.end - plot.x_range.start), up = box.height / (plot.y_range.end - plot.y_range.start);
    let best = -1, least = NEAR * NEAR;
    for (let i = 0; i < n; i++) if (shown[i]) {
      const dx = (x[i] - event.x) * across, dy = (y[i] - event.y) * up, far = dx * dx + dy * dy;
      if (far < least) [best, least] = [i, far];
    }
    return best;
  }

  function point(event) {
    const i = nearest(event);
    if (i < 0) return;
    at("card-title").textContent = "Row under the pointer";
    describe(i);
  }

  function walk(step) {
    walked = (walked + step + selected.length) % selected.length;
    at("card-title").textContent = `Selected row ${walked + 1} of ${selected.length.toLocaleString("en")}`;
    describe(selected[walked]);
  }

  // ---- Selection -----------------------------------------------------------------------------------

  function tell(remark = "") {
    let total = 0;
    for (let i = 0; i < n; i++) total += shown[i];
    const k = selected.length;
    at("status").textContent = remark + (k ? `${k.toLocaleString("en")} of ${total.toLocaleString("en")} selected.` : `No row of ${total.toLocaleString("en")} is selected.`);
    for (const name of ["save", "clear", "previous", "next"]) at(name).disabled = !k;
  }

  function take() {
    selected = [...rows.selected.indices].filter(i => shown[i]).sort((a, b) => a - b);
    walked = -1;
    tell();
  }

  function find(event) {
    event.preventDefault();
    const wanted = value("query").trim().toLowerCase();
    if (!wanted) return;
    const named = new Set(classes.flatMap((label, i) => label.toLowerCase() === wanted ? [i + 1] : []));
    const like = new Set(classes.flatMap((label, i) => label.toLowerCase().includes(wanted) ? [i + 1] : []));
    const by_label = set => set.size ? i => Object.values(labels).some(codes => set.has(codes[i])) : null;
    // an identifier first, then a label as it is written, then labels that hold what is looked for
    for (const [how, fits] of [
      ["row id", i => String(ids[i]).toLowerCase() === wanted],
      ["label", by_label(named)],
      ["part of a label", by_label(like)],
    ]) {
      if (!fits) continue;
      const found = [];
      let covered = 0;
      for (let i = 0; i < n; i++) if (fits(i)) shown[i] ? found.push(i) : covered++;
      if (!found.length && !covered) continue;
      rows.selected.indices = found;
      take();
      tell(`Found by ${how}: ` + (covered ? `${covered.toLocaleString("en")} more are not shown; ` : ""));
      if (found.length) walk(1);
      return;
    }
    rows.selected.indices = [];
    take();
    tell("Nothing found. ");
  }

  // Spreadsheets take cells that start like this for formulas.
  const guarded = text => /^[=+\-@\t\r]/.test(text) ? "'" + text : text;
  const cell = text => /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

  function csv() {
    const string = text => cell(guarded(text)), label = code => code ? string(classes[code - 1]) : "";
    const id = ids instanceof Uint32Array ? i => String(ids[i]) : i => string(ids[i]);
    const real = (key, digits) => i => values[key] && values[key][i] === values[key][i] ? String(Number(values[key][i].toPrecision(digits))) : "";
    const columns = {
      row: id,
      split: i => split[i] ? "holdout" : "train",
      label_given: i => label(labels.label_given[i]),
      label_true: i => label(labels.label_true[i]),
      label_pred: i => label(labels.label_pred[i]),
      confidence: real("confidence", 4),
      cluster: i => String(clusters[i] - 1),
      reconstruction_error: real("reconstruction_error", 4),
    };
    const lines = selected.map(i => Object.values(columns).map(write => write(i)).join(","));
    return [Object.keys(columns).join(","), ...lines, ""].join("\n");
  }

  function save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
    link.download = given.name + "-selected.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  // ---- Moving --------------------------------------------------------------------------------------

  function drag(which) {
    for (const [name, other] of Object.entries(tools)) {
      if (name !== which) other.active = false;
      at(name).setAttribute("aria-pressed", String(name === which));
    }
    tools[which].active = true;
  }

  function move(across, up, zoom = 1) {
    for (const [range, shift] of [[plot.x_range, across], [plot.y_range, up]]) {
      const span = range.end - range.start, middle = (range.start + range.end) / 2 + shift * span;
      range.setv({ start: middle - span * zoom / 2, end: middle + span * zoom / 2 });
    }
  }

  const KEYS = {
    ArrowLeft: () => move(-0.1, 0), ArrowRight: () => move(0.1, 0), ArrowUp: () => move(0, 0.1), ArrowDown: () => move(0, -0.1),
    "+": () => move(0, 0, 0.8), "=": () => move(0, 0, 0.8), "-": () => move(0, 0, 1.25), "0": fit,
  };

  // ---- Start ---------------------------------------------------------------------------------------

  const on = (name, event, act) => at(name) && at(name).addEventListener(event, act);
  const replot = () => { place_rows(); put_rows(); filter(); fit(); };
  on("view", "change", replot);
  on("x", "change", replot);
  on("y", "change", replot);
  on("color", "change", () => { choose_colors(); put_rows(); filter(); });
  on("split", "change", filter);
  on("prior", "change", put_prior);
  on("outline", "change", put_prior);
  on("all", "click", () => { hidden = new Set(); press(); at("legend").querySelector("button").focus(); });
  for (const name of Object.keys(tools)) on(name, "click", () => drag(name));
  on("in", "click", () => move(0, 0, 0.7));
  on("out", "click", () => move(0, 0, 1 / 0.7));
  on("reset", "click", fit);
  on("search", "submit", find);
  on("save", "click", save);
  on("clear", "click", () => { rows.selected.indices = []; take(); });
  on("previous", "click", () => walk(-1));
  on("next", "click", () => walk(1));
  on("map", "keydown", event => {
    const act = event.altKey || event.ctrlKey || event.metaKey ? undefined : KEYS[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  // The wheel scrolls the page until the map has been clicked.
  on("map", "focusin", () => { wheel.active = true; });
  on("map", "focusout", () => { wheel.active = false; });

  if (at("y")) at("y").value = "1";
  root.hidden = false;
  size();
  // Without rows first: when the size of the map is known they are drawn once, and in the right place.
  place_rows();
  fit();
  const views = await Bokeh.require("@bokehjs/embed/standalone").add_document_standalone(doc, at("map"), [], false);
  view = views.get(plot);
  await view.ready;
  // Bokeh's own layer would be a second, nameless stop of the Tab key.
  for (const inner of inside(at("map"))) if (inner.tabIndex >= 0) inner.tabIndex = -1;
  choose_colors();
  replot();
  dress();
  drag("pan");
  rows.selected.properties.indices.change.connect(take);
  plot.on_event("mousemove", point);
  plot.on_event("tap", point);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dress);
  let width = at("map").clientWidth;
  new ResizeObserver(() => {
    if (at("map").clientWidth === width) return;
    width = at("map").clientWidth;
    setTimeout(fit, 200); // when Bokeh has laid itself out anew
  }).observe(at("map"));
  at("instead").hidden = true;
  root.dataset.ready = "";
}

function inside(element) {
  return [...element.querySelectorAll("*")].flatMap(inner => [inner, ...(inner.shadowRoot ? inside(inner.shadowRoot) : [])]);
}

})();
