// Opens each page in both languages and themes, at the narrowest and a usual width; asks axe-core, and draws pictures into
// PICTURES. Then logs in and out by keyboard only, and without JavaScript. Prints each problem.
import { mkdirSync } from 'node:fs'
import { open, run, tabTo, violations } from './browser.mjs'

const { AUTHORIZE, ISSUER, USERNAME, PASSWORD, CALLBACK, PICTURES } = process.env
const APPLICATIONS = `${ISSUER}/account/applications`
const LOOKS = ['en', 'id'].flatMap((language) =>
  ['light', 'dark'].flatMap((theme) => [320, 1280].map((width) => ({ language, theme, width }))),
)
const problems = []
mkdirSync(PICTURES, { recursive: true })

// `element` tells the page from others.
async function show(page, name, element, { language, theme, width }) {
  const label = [name, language, theme, width].join('-')
  for (const found of await violations(page)) problems.push(`${label}: ${found}`)
  if (!(await page.$(element))) problems.push(`${label}: the page has no ${element}`)
  const lang = await page.$eval('html', (html) => html.lang)
  if (lang !== language) problems.push(`${label}: the language is ${lang}`)
  await page.screenshot({ path: `${PICTURES}/${label}.png`, fullPage: true })
}

async function fillIn(page, username, password) {
  await page.$eval('[name=username]', (input) => { input.value = '' })
  await page.type('[name=username]', username)
  await page.type('[name=password]', password)
}

async function submit(page, selector) {
  await Promise.all([page.waitForNavigation(), page.click(selector)])
}

async function eachPage(browser, look) {
  const page = await open(browser, { ...look, javascript: true })
  await page.goto(`${ISSUER}/oauth2/authorize?client_id=unknown`)
  await show(page, 'error', 'h1', look)
  await page.goto(AUTHORIZE)
  await show(page, 'login', '[name=password]', look)
  await fillIn(page, 'nobody', 'a wrong password')
  await submit(page, '[type=submit]')
  await show(page, 'login-refused', '[role=alert]', look)
  await fillIn(page, USERNAME, PASSWORD)
  await submit(page, '[type=submit]')
  await show(page, 'consent', '[value=allow]', look)
  await submit(page, '[value=allow]')
  await page.goto(APPLICATIONS)
  await show(page, 'applications', '[name=client]', look)
  await page.goto(`${ISSUER}/oauth2/logout?client_id=shop`)
  await show(page, 'logout', '[value=logout]', look)
  await submit(page, '[value=logout]')
  await show(page, 'logged-out', 'h1', look)
  await page.browserContext().close()
}

function expectCode(page, how) {
  const address = new URL(page.url())
  const isBack = page.url().startsWith(CALLBACK) && address.searchParams.has('code')
  if (!isBack) problems.push(`${how}: the browser is at ${page.url()}`)
}

// Revokes the access of the application, and logs out.
async function leave(page, press, how) {
  await page.goto(APPLICATIONS)
  await press(page, '[name=client]')
  if (await page.$('[name=client]')) problems.push(`${how}: the application still has access`)
  await page.goto(`${ISSUER}/oauth2/logout`)
  await press(page, '[value=logout]')
  await page.goto(APPLICATIONS)
  if (!(await page.$('[name=password]'))) problems.push(`${how}: the user is still logged in`)
}

async function pressEnter(page, selector) {
  await tabTo(page, selector)
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
}

async function byKeyboard(browser) {
  const page = await open(browser, { javascript: true })
  await page.goto(AUTHORIZE)
  await tabTo(page, '[name=username]')
  await page.keyboard.type(USERNAME)
  await tabTo(page, '[name=password]')
  await page.keyboard.type(PASSWORD)
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
  await pressEnter(page, '[value=allow]')
  expectCode(page, 'by keyboard')
  await leave(page, pressEnter, 'by keyboard')
}

async function withoutJavaScript(browser) {
  const page = await open(browser, { javascript: false })
  await page.goto(AUTHORIZE)
  await fillIn(page, USERNAME, PASSWORD)
  await submit(page, '[type=submit]')
  await submit(page, '[value=allow]')
  expectCode(page, 'without JavaScript')
  await leave(page, submit, 'without JavaScript')
}

await run(problems, [...LOOKS.map((how) => (browser) => eachPage(browser, how)), byKeyboard, withoutJavaScript])
