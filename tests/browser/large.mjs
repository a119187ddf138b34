// 200 x 300: how fast it opens, and whether it can be used.
import { basename } from "node:path";
import { accessible, browse, cells, check, count, equal, file, focused, open, picture } from "./page.mjs";

const name = basename(file, ".html");
await browse(async (page) => {
  await open(page);
  const took = await open(page);
  console.log(`${name}: usable after ${took} ms`);
  // No statement about speed: it catches what hangs.
  check(took < 10_000, `${name} opens (${took} ms)`);
  check((await count(page)).startsWith("60,000 of 60,000 results, 300 of 300 cases, 200 of 200 endpoints"), "everything is there");
  check(await cells(page) < 6_000, "only what is seen is in the document");
  await picture(page, name);
  await page.locator("#matrix").scrollIntoViewIfNeeded();
  await page.evaluate(() => document.getElementById("matrix").scrollIntoView());
  await picture(page, `${name}-matrix`);

  // Headings stay in sight.
  await page.evaluate(() => document.getElementById("grid").scrollTo(2000, 3000));
  await page.waitForFunction(() => document.querySelector("#body .row:nth-child(6)").getAttribute("aria-rowindex") > 100);
  const sticks = await page.evaluate(() => {
    const box = (element) => element.getBoundingClientRect();
    const grid = box(document.getElementById("grid"));
    return [box(document.querySelector("#head .corner")).top - grid.top, box(document.querySelector("#body .row:nth-child(9) .name")).left - grid.left];
  });
  check(sticks.every((distance) => Math.abs(distance) <= 2), `headings stick: ${sticks}`);
  await picture(page, `${name}-scrolled`);
  await accessible(page, name);

  // The focus survives that its cell leaves the document, and comes back.
  await page.focus("#grid");
  await page.keyboard.press("ArrowDown");
  check((await focused(page)).startsWith("se-000.example.org, "), "an arrow leads back to the cell");
  for (let step = 0; step < 60; step += 1) await page.keyboard.press("ArrowRight");
  check((await focused(page)).startsWith("se-060.example.org, "), `arrows scroll: ${await focused(page)}`);
  await page.keyboard.press("Enter");
  check(await page.isVisible("#panel"), "Enter opens");
  await page.keyboard.press("Escape");
  check((await focused(page)).startsWith("se-060.example.org, "), "Escape gives back");

  const started = performance.now();
  await page.fill("#text", "path.");
  equal((await count(page)).split(" ")[0], "6,000", "the filter counts");
  console.log(`${name}: filtered after ${Math.round(performance.now() - started)} ms`);
});
