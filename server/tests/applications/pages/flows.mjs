// Looks at each page with a logo, a title and colours of its own, and takes the ways that pages.mjs does not take, by keyboard only
// and without JavaScript: the login to one's account, no to each question, and an answer that is a form. Prints each problem.
import { open, run, tabTo, violations } from './browser.mjs'

const { ISSUER, CALLBACK, USERNAME, PASSWORD, TITLE, LIGHT, DARK } = process.env
const ACCENTS = { light: LIGHT, dark: DARK }
const APPLICATIONS = `${ISSUER}/account/applications`
const LOGOUT = `${ISSUER}/oauth2/logout?client_id=shop`
const STATE = 's p&c'
const LOOKS = [
  { language: 'en', theme: 'light', width: 320 },
  { language: 'id', theme: 'dark', width: 320 },
  { language: 'en', theme: 'dark', width: 1280 },
  { language: 'id', theme: 'light', width: 1280 },
]
const problems = []

function authorize(changes) {
  const scope = 'openid profile email'
  const request = { client_id: 'shop', response_type: 'code', scope, state: STATE, redirect_uri: CALLBACK, ...changes }
  return `${ISSUER}/oauth2/authorize?${new URLSearchParams(request)}`
}

function expect(isSo, problem) {
  if (!isSo) problems.push(problem)
}

async function following(page, deed) {
  await Promise.all([page.waitForNavigation(), deed()])
}

async function click(page, selector) {
  await following(page, () => page.click(selector))
}

async function pressEnter(page, selector) {
  await tabTo(page, selector)
  await following(page, () => page.keyboard.press('Enter'))
}

async function logIn(page, username, password) {
  await page.$eval('[name=username]', (input) => { input.value = '' })
  await page.type('[name=username]', username)
  await page.type('[name=password]', password)
  await click(page, '[type=submit]')
}

// `element` tells the page from others.
async function look(page, name, element, { language, theme, width }) {
  const label = [name, language, theme, width].join('-')
  for (const found of await violations(page)) problems.push(`${label}: ${found}`)
  expect(await page.$(element), `${label}: the page has no ${element}`)
  const seen = await page.evaluate(() => {
    const logo = document.querySelector('.brand img')
    const accent = getComputedStyle(document.documentElement).getPropertyValue('--accent').trim()
    return { lang: document.documentElement.lang, title: document.title, alt: logo?.alt, width: logo?.naturalWidth, accent }
  })
  expect(seen.lang === language, `${label}: the language is ${seen.lang}`)
  expect(seen.title.endsWith(` · ${TITLE}`), `${label}: the title is ${seen.title}`)
  expect(seen.alt === TITLE && seen.width > 0, `${label}: the logo is missing`)
  expect(seen.accent === ACCENTS[theme], `${label}: the accent is ${seen.accent}`)
}

// A page that only says something.
async function lookAtMessage(page, name, status, address, how) {
  const response = await page.goto(address)
  expect(response.status() === status, `${name}: the status is ${response.status()}`)
  await look(page, name, 'main:not(:has(form)) h1', how)
}

async function eachPage(browser, how) {
  const page = await open(browser, { ...how, javascript: true })
  await lookAtMessage(page, 'unknown-application', 400, authorize({ client_id: 'unknown' }), how)
  await lookAtMessage(page, 'wrong-redirect-uri', 400, authorize({ redirect_uri: 'https://evil.test/' }), how)
  await lookAtMessage(page, 'opened-directly', 400, `${ISSUER}/login`, how)
  await page.goto(APPLICATIONS)
  await look(page, 'account-login', '[action="/account/login"] [name=password]', how)
  await logIn(page, 'nobody', 'a wrong password')
  await look(page, 'account-login-refused', '[action="/account/login"] [aria-describedby=problem]', how)
  await logIn(page, USERNAME, PASSWORD)
  await page.goto(authorize({ prompt: 'consent' }))
  await look(page, 'consent', '[value=deny]', how)
  await click(page, '[value=allow]')
  await page.goto(APPLICATIONS)
  await look(page, 'applications', '[name=client]', how)
  await page.goto(authorize({ prompt: 'login' }))
  await look(page, 'login', '[action="/login"] [name=password]', how)
  // Altered, it is as good as too old.
  await page.$eval('[name=request]', (input) => { input.value = 'x' })
  await logIn(page, USERNAME, PASSWORD)
  await look(page, 'expired', 'main:not(:has(form)) h1', how)
  // Its script would send the form at once.
  await page.setJavaScriptEnabled(false)
  await page.goto(authorize({ prompt: 'none', response_mode: 'form_post' }))
  await page.setJavaScriptEnabled(true)
  await look(page, 'form-post', `[action="${CALLBACK}"] [type=submit]`, how)
  await page.goto(LOGOUT)
  await look(page, 'logout', '[value=stay]', how)
  await click(page, '[value=stay]')
  await look(page, 'still-logged-in', 'main:not(:has(form)) h1', how)
  await page.goto(LOGOUT)
  await click(page, '[value=logout]')
  await look(page, 'logged-out', 'main:not(:has(form)) h1', how)
  await page.browserContext().close()
}

async function isLoggedIn(page) {
  await page.goto(APPLICATIONS)
  return !(await page.$('[name=password]'))
}

// What the application got: by a form, or in its address.
async function expectAnswer(page, method, name, how) {
  if (!page.url().startsWith(CALLBACK)) return problems.push(`${how}: the browser is at ${page.url()}`)
  const text = (selector) => page.$eval(selector, (element) => element.textContent)
  expect((await text('#method')) === method, `${how}: the method is ${await text('#method')}`)
  const got = method === 'POST' ? new URLSearchParams(await text('#form')) : new URL(page.url()).searchParams
  const isRight = got.has(name) && got.get('state') === STATE && got.get('iss') === ISSUER
  expect(isRight, `${how}: the application got ${got}`)
}

// No to each question, and yes to the last one, whose answer is a form.
async function eachWay(page, press, how) {
  expect(await isLoggedIn(page), `${how}: the user is not logged in to the account`)
  await page.goto(authorize({ prompt: 'consent' }))
  await press(page, '[value=deny]')
  await expectAnswer(page, 'GET', 'error', how)
  await page.goto(LOGOUT)
  await press(page, '[value=stay]')
  expect(await isLoggedIn(page), `${how}: the user wanted to stay logged in`)
  await page.goto(authorize({ prompt: 'consent', response_mode: 'form_post' }))
  await press(page, '[value=allow]')
}

async function byKeyboard(browser) {
  const page = await open(browser, { javascript: true })
  await page.goto(APPLICATIONS)
  await tabTo(page, '[name=username]')
  await page.keyboard.type(USERNAME)
  await tabTo(page, '[name=password]')
  await page.keyboard.type(PASSWORD)
  await following(page, () => page.keyboard.press('Enter'))
  await eachWay(page, pressEnter, 'by keyboard')
  // The script sends the form: the page's policy allows it.
  await page.waitForSelector('#form')
  await expectAnswer(page, 'POST', 'code', 'by a script')
  await page.browserContext().close()
}

async function withoutJavaScript(browser) {
  const page = await open(browser, { javascript: false })
  await page.goto(APPLICATIONS)
  await logIn(page, USERNAME, PASSWORD)
  await eachWay(page, click, 'without JavaScript')
  expect(page.url() === `${ISSUER}/consent`, `without JavaScript: the browser is at ${page.url()}`)
  await pressEnter(page, '[type=submit]')
  await expectAnswer(page, 'POST', 'code', 'by a button')
  await page.browserContext().close()
}

await run(problems, [...LOOKS.map((how) => (browser) => eachPage(browser, how)), byKeyboard, withoutJavaScript])
