"""What `zexport help TOPIC` tells: what a person looks up, each on one screen of 78 columns."""

from __future__ import annotations

TOPICS = {
    "credentials": """\
The first of these that is there is used:

  --token-file FILE, --token-command CMD
        a token from elsewhere; read or run again when the token has ended
  ZENDESK_OAUTH_TOKEN
        an access token; when it ends, the same command goes on with a new one
  ZENDESK_EMAIL and ZENDESK_API_TOKEN
        an API token; none can be made any more, on 2027-04-30 the last stops
  ZENDESK_OAUTH_CLIENT_ID and ZENDESK_OAUTH_CLIENT_SECRET
        a confidential OAuth client, for servers and cron: tokens are minted
        and renewed for as long as a run lasts
  zexport login ACCOUNT
        a stored login, for people: by a client's secret, or in a browser

zexport whoami ACCOUNT tells what would be used, and whose it is.
""",
    "exit-codes": """\
   0  complete
   1  a bug in zexport
   2  usage or configuration
   3  finished, but something is missing or was set aside; the manifest says
      what; of verify: the files differ from their manifest
   4  authentication, permission, or a certificate that is not trusted
   5  network, 5xx or rate limit outlasted the patience; run again
   6  output: disk full, I/O error; run again after mending it
   7  the server broke its contract
   8  stopped by --max-users or --max-duration, run again; of status and
      verify: the export is unfinished
  10  the ledger does not fit this account, query or output; of status and
      verify: there is no export
  11  another run is at work
  12  of status: it is running now
 129, 130, 143  stopped by SIGHUP, SIGINT, SIGTERM; run again
 141  the reader closed the pipe; run again
""",
    "resuming": """\
The same command goes on, whatever ended it: a kill, a full disk, an outage.
It begins behind the last user that is written; nobody is lost, and in files
nobody is there twice. zexport status DEST prints the command.

--rate, --share, --ranges, --patience and --page-size may differ from run to
run. Roles, filters, --sort and --include are what an export is: another query
needs another folder.

To stdout, name a ledger and append: zexport run acme -o - --ledger l.db >> f

A finished export that is run again stays as it is, and says when it was
finished. --if-older-than 1d exports anew if that is longer ago, --restart in
any case: the old export stays, whole, until the new one is complete.
""",
    "formats": """\
One user a line (NDJSON), as the account sent him, byte for byte but for line
breaks between members. A finished export has one line for each user.

  acme-users/ (default)    one file a role: end-user.ndjson, agent.ndjson,
                           admin.ndjson, and manifest.json once it is complete
  -o FOLDER --compress C   the same, as .gz (gzip) or .zst (zstd)
  -o users.ndjson[.gz]     one file; .zst as well
  -o -                     stdout
  --include groups         each sideloaded record once, in a file of its own

While it runs the files are called .partial, and hold whole lines alone: each
can be read, counted and followed. manifest.json has sizes, SHA-256, counts,
and what proves that nobody is missing; zexport verify checks all of it.
""",
    "environment": """\
  ZENDESK_SUBDOMAIN             the account, where none is named
  ZENDESK_OAUTH_TOKEN …         see zexport help credentials
  ZENDESK_OAUTH_SCOPE           what minted tokens are to cover
  HTTPS_PROXY, ALL_PROXY        a proxy (CONNECT alone); --proxy goes first
  NO_PROXY                      hosts that are reached without it
  SSL_CERT_FILE, SSL_CERT_DIR   authorities to trust; --ca-file goes first
  XDG_CONFIG_HOME               where logins are kept (default: ~/.config)
  TERM=dumb                     lines in place of a picture that moves
  COLUMNS                       how wide the terminal is said to be
""",
}
"""Texts by name."""
