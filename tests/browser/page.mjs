// What the scripts share: a browser that talks to nobody, and a page that is watched.
import { createRequire } from "node:module";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

// After so many milliseconds a test hangs: no page is measured by the clock.
const HANGS = 600_000;
const CHROMIUM = "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const folder = dirname(fileURLToPath(import.meta.url));
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const file = process.argv[2];
export const url = pathToFileURL(file).href;

export function check(right, what) {
  if (!right) throw new Error(`not so: ${what}`);
}

export function equal(actual, expected, what) {
  const [one, other] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (one !== other) throw new Error(`${what}: expected ${other}, got ${one}`);
}

/// Runs the steps with a browser, which ends with them; then nothing may have gone wrong unseen.
export async function browse(steps) {
  check(existsSync(CHROMIUM), `${CHROMIUM} is there (Debian package chromium)`);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS, timeout: HANGS });
  try {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, offline: true });
    const page = await context.newPage();
    page.setDefaultTimeout(HANGS);
    const trouble = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) trouble.push(message.text());
    });
    page.on("pageerror", (error) => trouble.push(String(error)));
    page.on("dialog", (dialog) => {
      trouble.push(`dialog ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on("request", (request) => {
      const asked = request.url().split("#")[0];
      if (asked !== url && !asked.startsWith("data:,")) trouble.push(`request to ${asked}`);
    });
    await page.addInitScript(() => {
      window.violations = [];
      document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
    });
    await steps(page);
    equal(await page.evaluate(() => window.violations), [], "violations of the policy");
    equal(trouble, [], "trouble on the console or requests");
  } finally {
    await browser.close();
  }
}

/// Opens the page with this behind its address, and says how many milliseconds it took until it could be used.
export async function open(page, hash = "") {
  await page.goto("about:blank");
  const started = performance.now();
  await page.goto(url + hash);
  await page.waitForFunction(() => document.documentElement.dataset.ready === "yes");
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  return Math.round(performance.now() - started);
}

export async function picture(page, name) {
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

/// The grave findings of axe.
export async function accessible(page, what) {
  // Evaluated from outside, past the policy of the page.
  await page.evaluate(axe);
  const found = await page.evaluate(async () => (await window.axe.run()).violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary}`).join(" | ")}`));
  equal(found, [], `serious findings of axe, ${what}`);
}

export const count = (page) => page.textContent("#count");
export const cells = (page) => page.$$eval("#body .cell", (all) => all.length);
export const focused = (page) => page.evaluate(() => document.activeElement.getAttribute("aria-label") || document.activeElement.id);
