// A web app without a server of its own, whose users log in at sc-auth. Run npm ci, and serve this folder with any web server.
// In its declaration, the type is Spa, and redirectUris and postLogoutRedirectUris have the address of the page.
const settings = {
  authority: 'https://auth.example.com',
  client_id: 'shop',
  redirect_uri: 'https://shop.example.com/',
  post_logout_redirect_uri: 'https://shop.example.com/',
  // With offline_access, the library gets a refresh token, and renews the tokens a minute before they expire.
  scope: 'openid profile email offline_access',
  loadUserInfo: true,
  // Otherwise the refresh token would outlive a logout.
  revokeTokensOnSignout: true,
}
const manager = new globalThis.oidc.UserManager(settings)
const element = (id) => document.getElementById(id)

function show(user) {
  element('user').textContent = user ? `Hello ${user.profile.preferred_username}` : 'You are not logged in.'
  element('login').hidden = Boolean(user)
  element('renew').hidden = element('logout').hidden = !user
}

function report(error) {
  element('user').textContent = error.message
}

// The server's redirect opens the page again, with the answer to the login.
async function start() {
  show(await manager.getUser())
  const answer = new URL(location)
  if (answer.searchParams.has('state')) {
    history.replaceState({}, '', answer.pathname)
    await manager.signinCallback(answer.href)
  }
}

manager.events.addUserLoaded(show)
manager.events.addUserUnloaded(() => show(null))
element('login').onclick = () => manager.signinRedirect().catch(report)
element('renew').onclick = () => manager.signinSilent().catch(report)
element('logout').onclick = () => manager.signoutRedirect().catch(report)
start().catch(report)
