// A report in which servers said what would break a page.
import { accessible, browse, check, equal, open, picture } from "./page.mjs";

await browse(async (page) => {
  await open(page);
  const elements = () => page.evaluate(() => [document.images.length, document.scripts.length,
    document.querySelectorAll("[onerror], [onload], iframe, object, embed").length, window.broken ?? null]);
  equal(await elements(), [0, 2, 0, null], "images, scripts, handlers, flag");
  await picture(page, "hostile");
  for (const kind of ["f", "w", "e", "s", "p", "k"]) {
    const cell = await page.$(`#body .cell.${kind}`);
    if (!cell) continue;
    await cell.click();
    check(await page.isVisible("#panel"), `a result of kind ${kind} opens`);
    for (const summary of await page.$$("#panel details:not([open]) > summary")) await summary.click();
    equal(await elements(), [0, 2, 0, null], `nothing came out of ${kind}`);
    if (kind === "f") {
      const text = await page.textContent("#panel");
      check(text.includes("<img src=x onerror=window.broken=2>") && text.includes("\\u{202e}"), "it is shown as text");
      check(!/[\u202e\u2028\u0000\u001b]/.test(text), "and steers nothing");
      await picture(page, "hostile-panel");
      await accessible(page, "hostile panel");
    }
    await page.keyboard.press("Escape");
  }
  await page.fill("#text", '<img src=x onerror=window.broken=4>"\'');
  await page.goto(`${page.url().split("#")[0]}#text=${encodeURIComponent("</script><img src=x onerror=window.broken=5>")}&at=<b>&case=__proto__`);
  equal(await elements(), [0, 2, 0, null], "nor out of the address");
});
