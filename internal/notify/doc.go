// Package notify delivers messages to people: to chats, mail servers, pagers and
// webhooks, through shoutrrr.
//
// That library takes no context and sets some of its connections no deadline: a mail
// server that says nothing would be waited for for ever. So a message is sent by a
// process of its own, this program once more, which can be ended. It reads the
// message, with the URL, from its standard input. What the library says of a failure
// may quote the URL, which is a secret: only what is known to be harmless is taken
// from it (see reason).
package notify
