"use strict";
(() => {
  // Copy: select the text, so that the keyboard's own copy works where this does not.
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.addEventListener("click", () => {
      const range = document.createRange();
      range.selectNodeContents(document.getElementById(button.dataset.copy));
      const selection = window.getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      const done = document.execCommand("copy");
      button.nextElementSibling.textContent = done ? "Copied." : "Selected: copy with Ctrl+C.";
    });
  }

  const stage = document.getElementById("connectome");
  if (!stage) return;
  const { nodes, edges, placed } = JSON.parse(document.getElementById("connectome-data").textContent);
  const svg = stage.querySelector("svg");
  const said = document.getElementById("connectome-said");
  const make = (tag, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const name in attributes) element.setAttribute(name, attributes[name]);
    return svg.appendChild(element);
  };
  const title = (element, text) => {
    const child = document.createElementNS("http://www.w3.org/2000/svg", "title");
    child.textContent = text;
    element.appendChild(child);
  };
  // The brain as three rings of an ellipsoid, in MNI millimetres.
  const CENTRE = [0, -18, 10], RADIUS = [70, 88, 62];
  const rings = [[0, 1], [0, 2], [1, 2]].map(([a, b]) => ({
    line: make("path", { class: "ring" }),
    points: Array.from({ length: 61 }, (_, i) => {
      const point = CENTRE.slice(), angle = (i / 30) * Math.PI;
      point[a] += RADIUS[a] * Math.cos(angle);
      point[b] += RADIUS[b] * Math.sin(angle);
      return point;
    }),
  }));
  const lines = edges.map(([a, b, weight]) => {
    const line = make("line", {
      class: weight < 0 ? "edge less" : "edge more",
      "stroke-width": (0.4 + 2.2 * Math.abs(weight)).toFixed(2),
      opacity: (0.25 + 0.65 * Math.abs(weight)).toFixed(2),
    });
    title(line, `${nodes[a][0]} – ${nodes[b][0]}: ${weight}`);
    return line;
  });
  const dots = nodes.map(([name, , , , importance]) => {
    const dot = make("circle", { class: "node", r: (1.2 + 4 * importance).toFixed(1) });
    title(dot, `${name}: ${importance}`);
    dot.addEventListener("pointerenter", () => { said.textContent = `${name}: ${importance} of the largest`; });
    return dot;
  });
  const letters = placed
    ? [["L", [-84, -18, 10]], ["R", [84, -18, 10]], ["front", [0, 84, 10]], ["back", [0, -120, 10]]]
      .map(([text, point]) => {
        const label = make("text", { class: "side" });
        label.textContent = text;
        return { label, point };
      })
    : [];

  let turn = 0, tilt = Math.PI / 2; // seen from above
  const project = ([x, y, z]) => {
    const [dx, dy, dz] = [x - CENTRE[0], y - CENTRE[1], z - CENTRE[2]];
    const right = dx * Math.cos(turn) + dy * Math.sin(turn);
    const ahead = dy * Math.cos(turn) - dx * Math.sin(turn);
    return [right, -(ahead * Math.sin(tilt) + dz * Math.cos(tilt))].map((v) => v.toFixed(1));
  };
  const put = (element, names, values) => names.forEach((name, i) => element.setAttribute(name, values[i]));
  const show = () => {
    const places = nodes.map(([, x, y, z]) => project([x, y, z]));
    for (const { line, points } of rings) {
      line.setAttribute("d", `M${points.map((p) => project(p).join(" ")).join("L")}`);
    }
    lines.forEach((line, i) => {
      put(line, ["x1", "y1", "x2", "y2"], [...places[edges[i][0]], ...places[edges[i][1]]]);
    });
    dots.forEach((dot, i) => put(dot, ["cx", "cy"], places[i]));
    for (const { label, point } of letters) put(label, ["x", "y"], project(point));
  };
  const views = { above: [0, Math.PI / 2], left: [-Math.PI / 2, 0], right: [Math.PI / 2, 0], front: [Math.PI, 0] };
  for (const button of stage.querySelectorAll("button[data-view]")) {
    button.addEventListener("click", () => { [turn, tilt] = views[button.dataset.view]; show(); });
  }
  const keys = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const move = (across, up) => {
    turn += across;
    tilt = Math.min(Math.PI / 2, Math.max(-Math.PI / 2, tilt + up));
    show();
  };
  svg.addEventListener("keydown", (event) => {
    if (!(event.key in keys)) return;
    event.preventDefault();
    move(...keys[event.key].map((step) => step * 0.12));
  });
  svg.addEventListener("pointermove", (event) => {
    if (event.buttons) move(event.movementX * 0.01, event.movementY * 0.01);
  });
  show();
})();
