// A small report: everything that a reader does.
import { accessible, browse, check, count, equal, focused, open, picture } from "./page.mjs";

await browse(async (page) => {
  await open(page);
  const numbers = async () => (await count(page)).match(/\d+(?:,\d+)*/g).map((text) => Number(text.replace(",", "")));
  const [all, total, cases, , endpoints] = await numbers();
  equal([all, total, cases, endpoints], [160, 160, 40, 4], "all results are there");
  await picture(page, "small");
  await page.screenshot({ path: new URL("small-page.png", import.meta.url).pathname, fullPage: true });
  await accessible(page, "light");

  // Each filter alone.
  await page.selectOption("#endpoint", "se-002.example.org");
  equal((await numbers()).slice(0, 1).concat((await numbers()).slice(4)), [40, 1, 4], "one endpoint");
  await page.click("text=Clear");
  await page.selectOption("#suite", "path");
  equal((await numbers())[2], 4, "one suite");
  check((await page.$$eval("#body .name", (all) => all.every((one) => one.textContent.startsWith("path.")))), "only its cases");
  await page.click("text=Clear");
  await page.selectOption("#severity", "not-critical");
  equal((await numbers())[2], 14, "one severity");
  await page.click("text=Clear");
  const fails = Number(await page.textContent('#verdict [data-kind="f"] b'));
  check(fails > 0 && fails < 160, "some failures");
  await page.click('#verdict [data-kind="f"]');
  equal((await numbers())[0], fails, "one verdict");
  await page.click('#verdict [data-kind="w"]');
  check((await numbers())[0] > fails, "two verdicts");
  await page.click("text=Clear");
  for (const [text, expected] of [["otherstore", 40], ["JWT-2.3.1-12", 4], ["kind 39", 4], ["authentication.baa", 4], ["se-001 path.", 4]]) {
    await page.fill("#text", text);
    equal((await numbers())[0], expected, `text ${text}`);
  }
  await page.fill("#text", "no such thing");
  check(await page.isVisible("#empty") && !(await page.isVisible("#grid")), "no match says so");
  await accessible(page, "no match");
  await page.click("#clear");
  equal((await numbers())[0], 160, "cleared");
  equal(new URL(page.url()).hash, "", "a clean address");

  // A click opens, Escape closes and gives the focus back.
  const failing = "#body .cell.f";
  const label = await page.getAttribute(failing, "aria-label");
  await page.click(failing);
  check(await page.isVisible("#panel"), "the panel is open");
  const panel = await page.textContent("#panel");
  for (const part of ["MUST NOT", "401 or 403, and nothing changed", "curl -i -X PUT", "$TOKEN", "oidc-token --scope", "since", "last good",
    "JWT-2.", "suites/", "< 201", "jti 7c1f"]) {
    check(panel.includes(part), `the panel has ${part}`);
  }
  equal(await focused(page), "close", "the panel has the focus");
  await picture(page, "panel");
  await accessible(page, "panel");
  await page.click("#panel .copy");
  await page.waitForFunction(() => ["Copied", "Selected"].includes(document.querySelector("#panel .copy").textContent));
  const linked = new URL(page.url()).hash;
  await page.keyboard.press("Escape");
  check(!(await page.isVisible("#panel")), "Escape closes");
  equal(await focused(page), label, "the cell has the focus again");

  // By keyboard alone, from the filters to a result and back.
  await open(page);
  await page.focus("#verdict [data-kind='f']");
  await page.keyboard.press("Space");
  equal((await numbers())[0], fails, "a filter by keyboard");
  await page.focus("#filters button[type=reset]");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  const first = await focused(page);
  check(first.startsWith("se-000.example.org, authentication.aaa"), `Tab leads into the matrix: ${first}`);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowRight");
  const second = await focused(page);
  check(second.startsWith("se-001.example.org, authentication.baa"), `arrows move: ${second}`);
  equal(await page.$$eval("#body [tabindex='0']", (found) => found.length), 1, "one stop for Tab");
  await page.keyboard.press("Control+End");
  check((await focused(page)).startsWith("se-003.example.org, tape."), "Control and End lead to the last");
  await page.keyboard.press("PageUp");
  await page.keyboard.press("Home");
  check((await focused(page)).startsWith("se-000.example.org, "), "Home leads to the first column");
  await page.keyboard.press("Control+Home");
  equal(await focused(page), first, "and back");
  for (const key of ["Enter", "Space"]) {
    await page.keyboard.press(key);
    check(await page.isVisible("#panel"), `${key} opens`);
    await page.keyboard.press("Escape");
    equal(await focused(page), first, `after ${key} and Escape`);
  }

  // Links.
  await open(page, linked);
  check(await page.isVisible("#panel") && (await page.textContent("#panel")).includes("MUST NOT"), "a link opens the result");
  await open(page, "#verdict=f&suite=path&text=read");
  equal([await page.inputValue("#suite"), await page.inputValue("#text"), await page.getAttribute('#verdict [data-kind="f"]', "aria-pressed")],
    ["path", "read", "true"], "a link sets the filters");
  await open(page, "#verdict=nonsense&suite=none&at=a&case=b");
  equal((await numbers())[0], 160, "a wrong link shows everything");
  await page.click("#failures a[data-case] >> nth=0");
  check(await page.isVisible("#panel"), "the list of failures opens results");
  await page.keyboard.press("Escape");
  check(await page.evaluate(() => document.activeElement.matches("#failures a")), "and gets the focus back");

  // Dark, narrow, on paper, without the script.
  await page.emulateMedia({ colorScheme: "dark" });
  await open(page);
  check((await page.evaluate(() => getComputedStyle(document.body).backgroundColor)) === "rgb(18, 21, 27)", "it is dark");
  await picture(page, "dark");
  await accessible(page, "dark");
  await page.click(failing);
  await accessible(page, "panel in the dark");
  await picture(page, "dark-panel");
  await page.keyboard.press("Escape");
  await page.emulateMedia({ media: "print", colorScheme: "light" });
  check(await page.isVisible("#paper") && await page.isVisible("#failures") && !(await page.isVisible("#matrix")), "paper has letters");
  check(/authentication\.aaa\.\w+ +[.FNEwkx-]{2,4}/.test(await page.textContent("#paper")), "a row of letters");
  await page.screenshot({ path: new URL("print.png", import.meta.url).pathname, fullPage: true });
  await page.emulateMedia({ media: "screen" });

  const bare = await (await page.context().browser().newContext({ javaScriptEnabled: false })).newPage();
  await bare.goto(page.url().split("#")[0]);
  check(await bare.isVisible("#summary") && await bare.isVisible("#failures") && await bare.isVisible("#paper"), "readable without the script");
  check(!(await bare.isVisible("#matrix")), "and without an empty matrix");
});
