// Pages of `handfast report` in chromium: whether they are drawn, can be used, fit a telephone, and keep to themselves.
// report.mjs SCRATCH PAGE...: SCRATCH is where playwright-core is installed.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const [scratch, ...pages] = process.argv.slice(2);
const { chromium } = createRequire(join(scratch, "/"))("playwright-core");
const screenshots = process.env.HANDFAST_SCREENSHOTS;
const SIZES = { telephone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } };

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
for (const file of pages) {
  for (const colorScheme of ["light", "dark"]) {
    for (const size of Object.keys(SIZES)) await look(file, colorScheme, size);
  }
  await withoutScript(file);
  console.log(`    ${name(file)}: drawn, usable, within its width, silent`);
}
await browser.close();

function name(file) {
  return [basename(dirname(file)), basename(file, ".html")].join("-");
}

// A page, and whatever it does that a page of ours never does.
async function open(file, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const faults = [];
  const url = pathToFileURL(file).href;
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("request", (request) => request.url() !== url && faults.push(`a request for ${request.url().slice(0, 200)}`));
  page.on("dialog", async (dialog) => {
    faults.push(`a dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  await page.goto(url);
  return { context, page, faults };
}

async function look(file, colorScheme, size) {
  const { context, page, faults } = await open(file, { colorScheme, viewport: SIZES[size] });
  const where = `${name(file)}, ${colorScheme}, ${size}`;
  try {
    await isDrawn(page);
    await isWithinItsWidth(page);
    await isInItsColours(page, colorScheme);
    await isLegible(page);
    if (name(file).startsWith("open-loop")) await showsAnOpenLoop(page);
    if (name(file).startsWith("overload")) await showsWhatWasDropped(page);
    if (screenshots) await picture(page, `${name(file)}-${colorScheme}-${size}`);
    const plots = await page.locator(".plot").count();
    if (plots > 0) await zooms(page, size);
    await page.emulateMedia({ colorScheme: colorScheme === "dark" ? "light" : "dark" });
    await twoFrames(page);
    await isDrawn(page);
    assert.deepEqual(await page.locator("img, iframe, object, embed, script[src], link").count(), 0, "an element that nobody wrote");
    assert.deepEqual(faults, []);
  } catch (cause) {
    throw new Error(`${where}: ${cause.message}`, { cause });
  }
  await context.close();
}

// After which everything that was asked for is on the screen.
async function twoFrames(page) {
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

// The colour of the series that is drawn last is on every canvas; those below may be covered.
async function isDrawn(page) {
  const drawn = await page.evaluate(() => {
    const pixels = (plot) => {
      const { canvas } = plot.plot.ctx;
      const { data } = plot.plot.ctx.getImageData(0, 0, canvas.width, canvas.height);
      const series = plot.chart.series.findLast((one) => one.values.some((value) => value !== null && value !== 0));
      const probe = document.createElement("canvas").getContext("2d");
      probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(`--c${series.color % 8}`);
      probe.fillRect(0, 0, 1, 1);
      const wanted = probe.getImageData(0, 0, 1, 1).data;
      let found = 0;
      for (let at = 0; at < data.length; at += 4) {
        if ([0, 1, 2].every((part) => Math.abs(data[at + part] - wanted[part]) < 3) && data[at + 3] > 250) found++;
      }
      return [plot.chart.id, found];
    };
    return handfast.plots.map(pixels);
  });
  // A single interval is a point of six pixels across, a good part of which are mixed with what is around it.
  for (const [chart, found] of drawn) assert(found > 10, `plot ${chart} has ${found} pixels of its series`);
  assert.equal(drawn.length, await page.locator("figure.chart").count());
}

async function showsWhatWasDropped(page) {
  const titles = await page.evaluate(() => handfast.plots.map(({ chart }) => chart.title));
  assert(titles.includes("Dropped arrivals over time"), `only ${titles}`);
}

// Three times of each stack on one plot, told apart by their strokes.
async function showsAnOpenLoop(page) {
  const plots = await page.evaluate(() => handfast.plots.map(({ chart, plot }) => [chart.title, plot.series.slice(1).map((one) => String(one.dash ?? ""))]));
  const [, dashes] = plots.find(([title]) => title === "Response, service and lag by percentile") ?? assert.fail("no plot of an open loop");
  assert.equal(dashes.length, 6, "three curves of each of two stacks");
  assert.equal(new Set(dashes.slice(0, 3)).size, 3, `strokes ${dashes}`);
  const swatches = await page.locator(".legend .swatch.dotted").count();
  assert(swatches >= 2, "the legend tells dotted lines");
}

async function isWithinItsWidth(page) {
  const [content, window] = await page.evaluate(() => {
    document.querySelectorAll("details").forEach((one) => (one.open = true));
    return [document.documentElement.scrollWidth, innerWidth];
  });
  assert(content <= window, `the page is ${content} wide in a window of ${window}`);
  await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = false)));
}

async function isInItsColours(page, colorScheme) {
  const sum = await page.evaluate(() => {
    const parts = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number);
    return parts[0] + parts[1] + parts[2];
  });
  assert.equal(sum < 300, colorScheme === "dark", `a background of ${sum}`);
}

// The least contrast of text of that size, by WCAG 2.1 §1.4.3.
async function isLegible(page) {
  const faint = await page.evaluate(() => {
    const parts = (color) => color.match(/[\d.]+/g).map(Number);
    const luminance = (color) => {
      const [red, green, blue] = parts(color).map((part) => (part /= 255) && (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const behind = (element) => {
      const color = getComputedStyle(element).backgroundColor;
      return parts(color)[3] === 0 && element.parentElement ? behind(element.parentElement) : color;
    };
    const contrast = (element) => {
      const both = [getComputedStyle(element).color, behind(element)].map(luminance).sort((one, other) => other - one);
      return (both[0] + 0.05) / (both[1] + 0.05);
    };
    const texts = [...document.querySelectorAll("main *, footer *")].filter((one) =>
      [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== ""),
    );
    return texts.filter((one) => contrast(one) < 4.5).map((one) => `${one.className || one.tagName}: ${contrast(one).toFixed(1)}`);
  });
  assert.deepEqual([...new Set(faint)], [], "text that is hard to read");
}

async function zooms(page, size) {
  const range = () => page.evaluate(() => [handfast.plots[0].plot.scales.x.min, handfast.plots[0].plot.scales.x.max]);
  const all = await range();
  const narrower = async (how) => {
    const [low, high] = await range();
    assert(low > all[0] || high < all[1], `${how}: ${low} to ${high} of ${all}`);
  };
  const plot = page.locator(".plot").first();

  const area = await plot.locator(".u-over").boundingBox();
  await plot.scrollIntoViewIfNeeded();
  const { x, y, width, height } = (await plot.locator(".u-over").boundingBox()) ?? area;
  await page.mouse.move(x + width * 0.3, y + height / 2);
  await page.mouse.down();
  await page.mouse.move(x + width * 0.6, y + height / 2, { steps: 5 });
  await page.mouse.up();
  await narrower("the mouse");
  await page.mouse.dblclick(x + width / 2, y + height / 2);
  assert.deepEqual(await range(), all, "a double click shows all");

  await plot.focus();
  await page.keyboard.press("ArrowRight");
  assert.notEqual(await page.locator(".readout").first().textContent(), "", "the cursor tells where it is");
  await page.keyboard.press("+");
  await narrower("the key +");
  await page.keyboard.press("0");
  assert.deepEqual(await range(), all, "the key 0 shows all");

  const tools = page.locator(".tools").first().locator("button");
  await tools.nth(0).click();
  await narrower("the button");
  await tools.nth(2).click();
  assert.deepEqual(await range(), all, "the button shows all");
  if (size === "telephone") assert((await tools.nth(0).boundingBox()).height >= 32, "a finger hits it");

  const entry = page.locator(".legend button").first();
  await entry.click();
  assert.equal(await page.evaluate(() => handfast.plots[0].plot.series[1].show), false, "the legend hides a series");
  await entry.click();
}

// Every figure is there, and it is said what is not.
async function withoutScript(file) {
  const { context, page, faults } = await open(file, { javaScriptEnabled: false, viewport: SIZES.telephone });
  assert((await page.locator("table td").count()) > 0, "a table");
  for (const note of await page.locator("figure.chart noscript").all()) assert(await note.isVisible());
  assert.deepEqual(faults, []);
  await context.close();
}

async function picture(page, called) {
  mkdirSync(screenshots, { recursive: true });
  await page.screenshot({ path: join(screenshots, `${called}.png`), fullPage: true });
}
