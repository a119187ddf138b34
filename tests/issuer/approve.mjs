// A person with a browser: opens the page of a device code, logs in, and says yes.
//
// usage: node approve.mjs URL USER, the password in USER_PASSWORD. It prints the heading of the page at the end.
import { chromium } from "playwright-core";

// After so many milliseconds a test hangs.
const HANGS = 600_000;
const CHROMIUM = "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

const [url, user] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS, timeout: HANGS });
try {
  // The CA is the laboratory's own, which no browser knows.
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  page.setDefaultTimeout(HANGS);
  try {
    await page.goto(url);
    await page.fill("#username", user);
    await page.fill("#password", process.env.USER_PASSWORD);
    await page.click("#kc-login");
    // What the device may do is asked on a page of its own, unless the user has allowed it before.
    const asked = page.locator("[name=accept]");
    const done = page.waitForURL(/\/device\/status/);
    // It is waited for below.
    done.catch(() => {});
    await Promise.race([asked.waitFor(), done]);
    if (await asked.count()) await asked.click();
    await done;
    console.log((await page.textContent("#kc-page-title")).trim());
  } catch (error) {
    // The URL has the code of a login that is over.
    console.log(`${page.url()}: ${(await page.textContent("body")).replace(/\s+/g, " ")}`);
    throw error;
  }
} finally {
  await browser.close();
}
