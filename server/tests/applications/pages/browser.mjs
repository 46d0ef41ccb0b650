// Chromium, with windows that share no cookies.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import puppeteer from 'puppeteer-core'

// In milliseconds: how long a slow machine may take for a step.
const PATIENCE = 120_000
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

export async function start() {
  // Root has no sandbox; the tests open only pages of their own.
  // With a pipe, Chromium ends with this program, however that ends.
  const args = ['--no-sandbox', '--disable-gpu']
  return puppeteer.launch({ executablePath: '/usr/bin/chromium', args, pipe: true, timeout: PATIENCE })
}

// Runs steps, each with the browser, and prints the problems that they have found.
export async function run(problems, steps) {
  const browser = await start()
  try {
    for (const step of steps) await step(browser)
  } catch (error) {
    problems.push(error.stack)
  } finally {
    await browser.close()
  }
  for (const problem of problems) console.log(problem)
  process.exitCode = problems.length === 0 ? 0 : 1
}

// Opens a window: width in pixels, theme light or dark, a language, and whether it runs JavaScript.
export async function open(browser, { width = 1280, theme = 'light', language = 'en', javascript = false }) {
  const context = await browser.createBrowserContext()
  const page = await context.newPage()
  page.setDefaultTimeout(PATIENCE)
  await page.setViewport({ width, height: 720 })
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }])
  await page.setExtraHTTPHeaders({ 'accept-language': language })
  await page.setJavaScriptEnabled(javascript)
  return page
}

// What axe-core finds: `rule: element`, and text that does not fit into the width.
export async function violations(page) {
  // The page's policy forbids scripts; the developer tools may run them.
  await page.setBypassCSP(true)
  await page.evaluate(axe)
  const { violations } = await page.evaluate(() => globalThis.axe.run())
  const found = violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`))
  const isTooWide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)
  return isTooWide ? [...found, 'the page is wider than the window'] : found
}

// Presses Tab until the element has the focus, as somebody without a mouse does. The focus must be visible.
export async function tabTo(page, selector) {
  for (let count = 0; count < 20; count += 1) {
    await page.keyboard.press('Tab')
    const found = await page.evaluate((wanted) => {
      const element = document.activeElement
      const { outlineStyle, outlineWidth } = getComputedStyle(element)
      return { isIt: element.matches(wanted), isVisible: outlineStyle !== 'none' && outlineWidth !== '0px' }
    }, selector)
    if (found.isIt) {
      if (!found.isVisible) throw new Error(`the focus of ${selector} is not visible`)
      return
    }
  }
  throw new Error(`${selector} cannot be reached by Tab`)
}
