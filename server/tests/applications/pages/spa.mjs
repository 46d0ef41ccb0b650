// A window of Chromium with the single-page application at APPLICATION. Does what each line of the standard input says, and
// prints a line for each: as JSON, the problems, and the header of the application's ID token if it has one.
import { createInterface } from 'node:readline'
import { open, start } from './browser.mjs'

const { APPLICATION, ISSUER, USERNAME, PASSWORD } = process.env
const GREETING = `Hello ${USERNAME}`
const GOODBYE = 'You are not logged in.'
let problems = []

// What the user would see in the console, and what could not be loaded.
function watch(page) {
  page.on('console', (message) => {
    if (['error', 'warn'].includes(message.type())) problems.push(`${message.type()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => problems.push(error.stack))
  page.on('requestfailed', (request) => problems.push(`${request.url()}: ${request.failure().errorText}`))
  page.on('response', (response) => {
    if (response.status() >= 400) problems.push(`${response.url()}: ${response.status()}`)
  })
}

async function says(page, text) {
  await page.waitForFunction((wanted) => document.querySelector('#user')?.textContent === wanted, {}, text)
}

async function click(page, selector) {
  await Promise.all([page.waitForNavigation(), page.click(selector)])
}

// The library's user, if the storage of the page has one, and its key there.
function stored(page) {
  return page.evaluate(() => {
    const key = Object.keys(sessionStorage).find((name) => name.startsWith('oidc.user:'))
    return key && { key, ...JSON.parse(sessionStorage[key]) }
  })
}

// The application's button leads to the login page, or past it.
async function logIn(page, { asks }) {
  await page.click('#login')
  await page.waitForFunction((issuer, greeting) => {
    const isAtServer = location.origin === issuer && document.querySelector('[type=submit], [value=allow]')
    return isAtServer || document.querySelector('#user')?.textContent === greeting
  }, {}, ISSUER, GREETING)
  const isAsked = Boolean(await page.$('[name=password]'))
  if (isAsked !== asks) problems.push(`a password is ${isAsked ? '' : 'not '}asked for`)
  if (isAsked) {
    await page.type('[name=username]', USERNAME)
    await page.type('[name=password]', PASSWORD)
    await click(page, '[type=submit]')
  }
  if (await page.$('[value=allow]')) await click(page, '[value=allow]')
  await says(page, GREETING)
}

async function renew(page) {
  const before = await stored(page)
  await page.click('#renew')
  await page.waitForFunction((key, token) => JSON.parse(sessionStorage[key]).access_token !== token, {}, before.key, before.access_token)
  await says(page, GREETING)
}

const deeds = {
  open: async (page) => { await page.goto(APPLICATION); await says(page, GOODBYE) },
  'log in': (page) => logIn(page, { asks: true }),
  'log in without a password': (page) => logIn(page, { asks: false }),
  reload: async (page) => { await page.reload(); await says(page, GREETING) },
  renew,
  forget: async (page) => { await page.evaluate(() => sessionStorage.clear()); await page.reload(); await says(page, GOODBYE) },
  'log out': async (page) => { await click(page, '#logout'); await says(page, GOODBYE) },
}

const browser = await start()
const page = await open(browser, { javascript: true })
watch(page)
for await (const deed of createInterface({ input: process.stdin })) {
  let user
  try {
    await deeds[deed](page)
    user = await stored(page)
  } catch (error) {
    problems.push(error.stack, await page.$eval('body', (body) => body.innerText).catch(String))
  }
  const header = user && JSON.parse(Buffer.from(user.id_token.split('.')[0], 'base64url'))
  console.log(JSON.stringify({ problems, header }))
  problems = []
}
await browser.close()
