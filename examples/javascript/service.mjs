// A service for logged-in users: API=http://auth.example.com node service.mjs
import express from 'express'
import { hasRole, loggedIn } from './verifier.mjs'

const app = express()

app.get('/', loggedIn, (request, response) => {
  response.type('text').send(`${request.user.id} ${request.user.roles.join(',')}\n`)
})

app.get('/admin', loggedIn, hasRole('Admin'), (request, response) => {
  response.type('text').send(`${request.user.id} is an Admin\n`)
})

// Express's own handler sends the stack trace to the client, unless NODE_ENV is production.
app.use((error, request, response, next) => {
  console.error(error)
  if (response.headersSent) return next(error)
  response.status(error.status ?? 500).end()
})

app.listen(process.env.PORT ?? 3000, '127.0.0.1')
