// Draws the matrix and the panel from the data in the page. Texts become text nodes, never markup.
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const text = (index) => (index === null ? "" : data.strings[index]);
  const ROW = 22;
  const KINDS = {
    p: ["·", "pass"], w: ["w", "warn"], f: ["F", "fail"], k: ["k", "known failure"],
    x: ["x", "unexpected pass"], e: ["E", "error"], s: ["–", "skip"],
  };
  const endpoints = data.endpoints.map(([name, software, url]) => ({ name: text(name), software: text(software), url: text(url) }));
  const cases = data.cases.map(([name, suite, title, critical, clauses, cells]) => (
    { name: text(name), suite: text(suite), title: text(title), critical, clauses: clauses.map(text), cells }));
  const details = new Map(data.details.map((detail) => [detail[0] * endpoints.length + detail[1], detail]));
  const counts = {};
  for (const row of cases) {
    for (const letter of row.cells) {
      const kind = letter.toLowerCase();
      counts[kind] = (counts[kind] || 0) + 1;
      if (letter !== kind) counts.changed = (counts.changed || 0) + 1;
    }
  }
  const total = Object.keys(KINDS).reduce((sum, kind) => sum + (counts[kind] || 0), 0);
  const number = (value) => value.toLocaleString("en");

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "class") element.className = value;
      else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };

  // --- Filters, kept in the address so that a view can be linked.
  const fields = { endpoint: byId("endpoint"), suite: byId("suite"), severity: byId("severity"), text: byId("text") };
  const verdicts = new Set();
  const buttons = new Map();
  for (const { name } of endpoints) fields.endpoint.append(make("option", {}, name));
  for (const suite of new Set(cases.map((row) => row.suite))) fields.suite.append(make("option", {}, suite));
  const chips = [...Object.entries(KINDS).map(([kind, [symbol, word]]) => [kind, symbol, word]), ["changed", "◥", "changed"]];
  for (const [kind, symbol, word] of chips) {
    if (!counts[kind]) continue;
    const button = make("button", { type: "button", "aria-pressed": "false", "data-kind": kind },
      make("span", { class: `key ${kind}`, "aria-hidden": "true" }, symbol), word, make("b", {}, number(counts[kind])));
    button.addEventListener("click", () => {
      if (!verdicts.delete(kind)) verdicts.add(kind);
      changed();
    });
    buttons.set(kind, button);
    byId("verdict").append(button);
  }

  let shownRows = [];
  let shownColumns = [];
  let matches = () => true;
  let opened = null;

  const filter = () => {
    const words = fields.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const hit = (texts) => words.map((word) => texts.some((one) => one.toLowerCase().includes(word)));
    const none = words.map(() => false);
    const rowHits = cases.map((row) => (words.length ? hit([row.name, row.title, row.suite, ...row.clauses]) : none));
    const columnHits = endpoints.map((column) => (words.length ? hit([column.name, column.software]) : none));
    const kinds = [...verdicts].filter((kind) => kind !== "changed");
    const letters = kinds.length ? new Set(kinds.flatMap((kind) => [kind, kind.toUpperCase()])) : null;
    const onlyChanged = verdicts.has("changed");
    const rowFits = (row) => (!fields.suite.value || row.suite === fields.suite.value)
      && (!fields.severity.value || row.critical === (fields.severity.value === "critical"));
    const columnFits = (column) => !fields.endpoint.value || column.name === fields.endpoint.value;
    const rowOn = cases.map(rowFits);
    const columnOn = endpoints.map(columnFits);
    matches = (row, column) => {
      const letter = cases[row].cells[column];
      if (letter === "." || !rowOn[row] || !columnOn[column]) return false;
      if (letters && !letters.has(letter)) return false;
      if (onlyChanged && letter === letter.toLowerCase()) return false;
      return words.every((_, index) => rowHits[row][index] || columnHits[column][index]);
    };
    const rows = new Set();
    const columns = new Set();
    let found = 0;
    for (let row = 0; row < cases.length; row += 1) {
      if (!rowOn[row]) continue;
      for (let column = 0; column < endpoints.length; column += 1) {
        if (!matches(row, column)) continue;
        found += 1;
        rows.add(row);
        columns.add(column);
      }
    }
    shownRows = cases.map((_, row) => row).filter((row) => rows.has(row));
    shownColumns = endpoints.map((_, column) => column).filter((column) => columns.has(column));
    byId("count").textContent = `${number(found)} of ${number(total)} results, ${number(shownRows.length)} of `
      + `${number(cases.length)} cases, ${number(shownColumns.length)} of ${number(endpoints.length)} endpoints`;
    byId("empty").hidden = found > 0;
    grid.hidden = found === 0;
    for (const [kind, button] of buttons) button.setAttribute("aria-pressed", String(verdicts.has(kind)));
  };

  const address = (cell) => {
    const parameters = new URLSearchParams();
    for (const [name, field] of Object.entries(fields)) if (field.value) parameters.set(name, field.value);
    if (verdicts.size) parameters.set("verdict", [...verdicts].join(","));
    if (cell) {
      parameters.set("at", endpoints[cell.column].name);
      parameters.set("case", cases[cell.row].name);
    }
    return `#${parameters}`;
  };
  const remember = () => history.replaceState(null, "", address(opened));

  const changed = () => {
    filter();
    layout();
    remember();
  };

  // --- The matrix: only the cells that can be seen are in the document.
  const grid = byId("grid");
  const head = byId("head");
  const body = byId("body");
  let active = { row: 0, column: 0 };
  let cellWidth = ROW;
  let nameWidth = 300;
  let wide = false;
  let drawn = "";

  const label = (row, column) => {
    const letter = cases[row].cells[column];
    const kind = letter.toLowerCase();
    if (letter === ".") return "no result";
    const fresh = letter === "F" ? "new " : "";
    const other = letter !== kind && !fresh ? ", changed" : "";
    return `${fresh}${KINDS[kind][1]}${other}`;
  };

  const cell = (place, row, column) => {
    const letter = cases[row].cells[column];
    const kind = letter.toLowerCase();
    const classes = ["cell", letter === "." ? "none" : kind];
    if (letter !== kind) classes.push("changed");
    if (!matches(row, column) && letter !== ".") classes.push("off");
    if (opened && opened.row === row && opened.column === column) classes.push("open");
    const element = document.createElement("div");
    element.className = classes.join(" ");
    element.setAttribute("role", "gridcell");
    element.setAttribute("aria-colindex", place + 2);
    element.setAttribute("aria-label", `${endpoints[column].name}, ${cases[row].name}: ${label(row, column)}`);
    element.tabIndex = -1;
    element.style.width = `${cellWidth}px`;
    element.dataset.row = row;
    element.dataset.column = column;
    if (letter !== ".") {
      const symbol = letter === "F" ? "N" : KINDS[kind][0];
      element.textContent = wide ? (letter === "F" ? "new fail" : KINDS[kind][1].replace("unexpected ", "!").replace(" failure", "")) : symbol;
    }
    return element;
  };

  const layout = () => {
    wide = shownColumns.length <= 8;
    grid.className = wide ? "wide" : "tall";
    const room = grid.clientWidth || document.documentElement.clientWidth - 50;
    cellWidth = wide ? 148 : ROW;
    const longest = Math.max(20, ...shownRows.map((row) => cases[row].name.length));
    nameWidth = wide
      ? Math.max(260, Math.min(760, room - shownColumns.length * cellWidth - 2))
      : Math.min(longest * 7.3 + 24, room * 0.45, 420);
    const headHeight = wide ? 30 : 150;
    const width = nameWidth + shownColumns.length * cellWidth;
    body.style.height = `${shownRows.length * ROW}px`;
    body.style.width = `${width}px`;
    head.style.width = `${width}px`;
    grid.style.height = `${Math.min(headHeight + shownRows.length * ROW + 18, Math.max(320, innerHeight * 0.78))}px`;
    grid.setAttribute("aria-rowcount", shownRows.length + 1);
    grid.setAttribute("aria-colcount", shownColumns.length + 1);
    head.style.height = `${headHeight}px`;
    active.row = Math.min(active.row, Math.max(0, shownRows.length - 1));
    active.column = Math.min(active.column, Math.max(0, shownColumns.length - 1));
    drawn = "";
    draw();
  };

  const draw = () => {
    if (grid.hidden || !shownRows.length) return;
    const spare = 4;
    const top = head.offsetHeight;
    const firstRow = Math.max(0, Math.floor(grid.scrollTop / ROW) - spare);
    const lastRow = Math.min(shownRows.length, Math.ceil((grid.scrollTop + grid.clientHeight - top) / ROW) + spare);
    const firstColumn = Math.max(0, Math.floor(grid.scrollLeft / cellWidth) - spare);
    const lastColumn = Math.min(shownColumns.length,
      Math.ceil((grid.scrollLeft + grid.clientWidth - nameWidth) / cellWidth) + spare);
    const now = [firstRow, lastRow, firstColumn, lastColumn].join();
    if (now === drawn) return;
    drawn = now;
    const focused = grid.contains(document.activeElement);
    const margin = `${firstColumn * cellWidth}px`;
    const columns = shownColumns.slice(firstColumn, lastColumn);

    const headings = make("div", { class: "row", role: "row", "aria-rowindex": 1 });
    const corner = make("div", { class: "corner", role: "columnheader", "aria-colindex": 1 }, "case");
    corner.style.width = `${nameWidth}px`;
    corner.style.height = head.style.height;
    headings.style.height = head.style.height;
    headings.append(corner, ...columns.map((column, index) => {
      const heading = make("div", { class: "col", role: "columnheader", "aria-colindex": firstColumn + index + 2,
        title: `${endpoints[column].name}\n${endpoints[column].software}` }, make("span", {}, endpoints[column].name));
      heading.style.width = `${cellWidth}px`;
      if (index === 0) heading.style.marginLeft = margin;
      return heading;
    }));
    head.replaceChildren(headings);

    const rows = [];
    for (let place = firstRow; place < lastRow; place += 1) {
      const row = shownRows[place];
      const { name, title, critical, suite } = cases[row];
      const starts = place > 0 && cases[shownRows[place - 1]].suite !== suite;
      const line = make("div", { class: starts ? "row suite" : "row", role: "row", "aria-rowindex": place + 2 });
      line.style.top = `${place * ROW}px`;
      const heading = make("div", { class: critical ? "name critical" : "name", role: "rowheader", "aria-colindex": 1,
        title: `${name}\n${title}\n${critical ? "critical" : "not-critical"}` }, name);
      if (wide) heading.append(make("span", { class: "title" }, title));
      heading.style.width = `${nameWidth}px`;
      line.append(heading);
      columns.forEach((column, index) => {
        const element = cell(firstColumn + index, row, column);
        if (index === 0) element.style.marginLeft = margin;
        if (place === active.row && firstColumn + index === active.column) element.tabIndex = 0;
        line.append(element);
      });
      rows.push(line);
    }
    body.replaceChildren(...rows);
    // The grid itself takes the focus while the cell that has it is out of sight.
    const target = current();
    grid.tabIndex = target ? -1 : 0;
    if (focused) (target || grid).focus({ preventScroll: true });
  };

  const current = () => body.querySelector('[tabindex="0"]');

  const move = (row, column) => {
    active = {
      row: Math.max(0, Math.min(shownRows.length - 1, row)),
      column: Math.max(0, Math.min(shownColumns.length - 1, column)),
    };
    const top = active.row * ROW;
    const high = grid.clientHeight - head.offsetHeight;
    if (top < grid.scrollTop) grid.scrollTop = top;
    else if (top + ROW > grid.scrollTop + high) grid.scrollTop = top + ROW - high;
    const left = active.column * cellWidth;
    const room = grid.clientWidth - nameWidth;
    if (left < grid.scrollLeft) grid.scrollLeft = left;
    else if (left + cellWidth > grid.scrollLeft + room) grid.scrollLeft = left + cellWidth - room;
    drawn = "";
    draw();
  };

  const page = () => Math.max(1, Math.floor((grid.clientHeight - head.offsetHeight) / ROW) - 1);
  const keys = {
    ArrowUp: () => [active.row - 1, active.column],
    ArrowDown: () => [active.row + 1, active.column],
    ArrowLeft: () => [active.row, active.column - 1],
    ArrowRight: () => [active.row, active.column + 1],
    Home: (event) => [event.ctrlKey ? 0 : active.row, 0],
    End: (event) => [event.ctrlKey ? shownRows.length - 1 : active.row, shownColumns.length - 1],
    PageUp: () => [active.row - page(), active.column],
    PageDown: () => [active.row + page(), active.column],
  };
  grid.addEventListener("keydown", (event) => {
    if (event.altKey || event.metaKey) return;
    const to = keys[event.key];
    if (to) {
      event.preventDefault();
      move(...to(event));
      current()?.focus({ preventScroll: true });
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      show(shownRows[active.row], shownColumns[active.column]);
    }
  });
  grid.addEventListener("click", (event) => {
    const target = event.target.closest(".cell");
    if (!target) return;
    const row = Number(target.dataset.row);
    const column = Number(target.dataset.column);
    move(shownRows.indexOf(row), shownColumns.indexOf(column));
    show(row, column);
  });
  let waiting = false;
  grid.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  }, { passive: true });
  addEventListener("resize", () => layout());

  // --- One result in full.
  const panel = byId("panel");
  let back = null;

  const list = (pairs) => {
    const element = make("dl");
    for (const [name, value] of pairs) if (value) element.append(make("dt", {}, name), make("dd", {}, value));
    return element;
  };

  const copyable = (content) => {
    const code = make("pre", { tabindex: "0", class: "curl" }, content);
    const button = make("button", { type: "button", class: "copy" }, "Copy");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(content);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
    });
    return make("div", { class: "line" }, code, button);
  };

  const exchange = (sent, open) => {
    const [index, purpose, method, url, status, error, attempts, started, took, request, body, token, hops, response, answer, bytes, curl,
      obtain, logged] = sent;
    const result = status === null ? "no answer" : String(status);
    const element = make("details", { class: "exchange" },
      make("summary", {}, `${index + 1}. ${text(purpose)}: ${text(method)} ${text(url)} → ${result}, ${number(took)} ms`));
    element.open = open;
    if (curl !== null) element.append(copyable(text(curl)));
    for (const one of obtain) element.append(list([["token", text(one)]]));
    element.append(list([["logged", text(logged)], ["sent", attempts > 1 ? `${attempts} times` : ""], ["failed", text(error)]]));
    const lines = request.map((one) => `> ${text(one)}`);
    if (token !== null) lines.push(`> token: ${text(token)}`);
    if (body !== null) lines.push("", text(body));
    lines.push("", ...hops.map((one) => `< ${text(one)}`), `< ${result}`, ...response.map((one) => `< ${text(one)}`));
    if (answer !== null) lines.push("", text(answer));
    if (bytes) lines.push("", `(${number(bytes)} bytes of body were read)`);
    element.append(make("pre", { tabindex: "0" }, lines.join("\n").trim()));
    return element;
  };

  const describe = (row, column) => {
    const { name, title, suite, critical, clauses, cells } = cases[row];
    const letter = cells[column];
    const kind = letter.toLowerCase();
    const verdict = make("p", {}, make("span", { class: `chip ${letter === "." ? "" : kind}` }, label(row, column)), ` at ${endpoints[column].name}`);
    const parts = [verdict, make("p", {}, title)];
    const about = [["suite", suite], ["severity", critical ? "critical" : "not-critical"], ["clauses", clauses.join(", ")],
      ["endpoint", endpoints[column].url], ["software", endpoints[column].software]];
    const detail = details.get(row * endpoints.length + column);
    if (!detail) {
      parts.push(list(about));
      if (kind === "p") parts.push(make("p", { class: "dim" }, "It passed; run.json has what was sent and what came."));
      else if (letter !== ".") parts.push(make("p", { class: "note" }, "No room for its details in this page; run.json has them."));
      return parts;
    }
    const [, , at, since, good, took, sent, missing] = detail;
    const [reason, known, flaky, findings, left] = data.found[at];
    parts.push(list([...about, ["reason", text(reason)],
      ["known", known ? `${text(known[0])}${kind === "x" ? "; remove the entry at " : "; listed at "}${text(known[1])}` : ""],
      ["since", text(since)], ["last good", text(good)], ["took", `${number(took)} ms`],
      ["flaky", flaky ? "a request was sent again after a transport error" : ""], ["left behind", left.map(text).join("\n")]]));
    const shown = new Set();
    for (const [clause, requirement, expected, actual, place, index, says] of findings) {
      const soft = / (SHOULD|MAY)/.test(text(clause));
      if (index !== null) shown.add(index);
      parts.push(make("div", { class: soft ? "finding soft" : "finding" }, make("strong", {}, text(clause)), make("div", {}, text(requirement)),
        list([["text", says.map(text).join("\n")], ["expected", text(expected)], ["actual", text(actual)], ["at", text(place)], ["exchange", index === null ? "" : String(index + 1)]])));
    }
    if (sent && sent.length) {
      parts.push(make("h3", {}, "Exchanges"));
      const none = shown.size === 0;
      sent.forEach((one, place) => parts.push(exchange(one, shown.has(one[0]) || (none && place === sent.length - 1))));
    }
    if (missing) parts.push(make("p", { class: "note" }, `${number(missing)} exchange${missing === 1 ? "" : "s"} not in this page; run.json has them.`));
    return parts;
  };

  const show = (row, column) => {
    if (row === undefined || column === undefined) return;
    if (panel.hidden) back = document.activeElement;
    opened = { row, column };
    const close = make("button", { type: "button", id: "close", onclick: hide }, "Close");
    panel.replaceChildren(make("div", { class: "bar-top" }, make("h2", { id: "panel-title" }, cases[row].name), close), ...describe(row, column));
    panel.hidden = false;
    panel.scrollTop = 0;
    close.focus();
    drawn = "";
    draw();
    close.focus();
    remember();
  };

  const hide = () => {
    if (panel.hidden) return;
    panel.hidden = true;
    opened = null;
    drawn = "";
    draw();
    const from = back && back.isConnected && back !== document.body && !grid.contains(back) ? back : current() || grid;
    from.focus({ preventScroll: true });
    remember();
  };
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
  });

  // --- What the address asks for.
  const place = (endpoint, name) => ({
    column: endpoints.findIndex((one) => one.name === endpoint),
    row: cases.findIndex((one) => one.name === name),
  });

  const follow = () => {
    const parameters = new URLSearchParams(location.hash.slice(1));
    for (const [name, field] of Object.entries(fields)) {
      field.value = parameters.get(name) || "";
      if (field.selectedIndex === -1) field.value = "";
    }
    verdicts.clear();
    for (const kind of (parameters.get("verdict") || "").split(",")) if (buttons.has(kind)) verdicts.add(kind);
    filter();
    layout();
    const { row, column } = place(parameters.get("at"), parameters.get("case"));
    if (row >= 0 && column >= 0) {
      const [shownRow, shownColumn] = [shownRows.indexOf(row), shownColumns.indexOf(column)];
      if (shownRow >= 0 && shownColumn >= 0) move(shownRow, shownColumn);
      show(row, column);
    } else {
      hide();
    }
  };
  addEventListener("hashchange", follow);

  const form = byId("filters");
  form.addEventListener("submit", (event) => event.preventDefault());
  const clear = () => {
    for (const field of Object.values(fields)) field.value = "";
    verdicts.clear();
    changed();
  };
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    clear();
  });
  byId("clear").addEventListener("click", () => {
    clear();
    fields.text.focus();
  });
  for (const field of Object.values(fields)) field.addEventListener("input", changed);

  for (const link of document.querySelectorAll("a[data-endpoint]")) {
    const { endpoint, case: name } = link.dataset;
    if (name === undefined) {
      link.href = `#${new URLSearchParams({ endpoint })}`;
      link.addEventListener("click", () => byId("matrix").scrollIntoView());
      continue;
    }
    link.href = `#${new URLSearchParams({ at: endpoint, case: name })}`;
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      link.focus();
      const { row, column } = place(endpoint, name);
      if (row < 0 || column < 0) return;
      const [shownRow, shownColumn] = [shownRows.indexOf(row), shownColumns.indexOf(column)];
      if (shownRow >= 0 && shownColumn >= 0) move(shownRow, shownColumn);
      show(row, column);
    });
  }

  byId("matrix").hidden = false;
  follow();
  document.documentElement.dataset.ready = "yes";
})();
