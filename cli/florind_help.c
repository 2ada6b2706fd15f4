/* florind_help.c - the text of florind --help. */
#include "florind_help.h"

#include <stdio.h>

static const char text[] =
    "florind " FLORIN_VERSION " - a durable in-memory ledger with an HTTP API\n"
    "\n"
    "  florind                              serve ./data on 127.0.0.1:5000\n"
    "  florind --open 12345:1000.00         ... and open an account if it is not there yet\n"
    "  curl localhost:5000/accounts/12345/balance\n"
    "\n"
    "A change is answered when it is on stable storage, and happens once however often it is\n"
    "sent with the same Idempotency-Key. SIGTERM ends the server cleanly; kill -9 is safe too.\n"
    "\n"
    "Where\n"
    "  --data DIR                  the ledger's directory                    [./data]\n"
    "  --listen ADDRESS:PORT       where to serve; may be repeated           [127.0.0.1:5000]\n"
    "                              also [::1]:5000 and unix:PATH; port 0 takes a free one\n"
    "  --insecure                  serve other machines too, although there are no API keys\n"
    "  --config FILE               read options from FILE: a line each, name = value,\n"
    "                              # begins a comment; the command line wins\n"
    "\n"
    "What\n"
    "  --open ACCOUNT:AMOUNT       open an account in USD unless it exists; may be repeated\n"
    "  --on-duplicate replay       a known key gets its first answer again    [replay]\n"
    "  --on-duplicate reject       a known key gets 409 duplicate_transaction\n"
    "  --http2                     speak HTTP/2 as well: for trusted networks only\n"
    "\n"
    "How\n"
    "  --workers N                 threads, each with its share of accounts  [one a core]\n"
    "  --io auto|uring|posix       how bytes reach the disk                  [auto]\n"
    "  --segment-mib N             size of one log file, 4 to 1024           [64]\n"
    "\n"
    "Limits\n"
    "  --accounts-max N            room for accounts                         [16777216]\n"
    "  --keys-memory N             recent idempotency keys held in memory    [16777216]\n"
    "  --commit-timeout-ms N       until \"commit_unknown\" is answered        [5000]\n"
    "  --request-timeout-ms N      for a request to arrive; for idle clients [10000]\n"
    "  --connections-max N         connections in all                        [10000]\n"
    "  --connections-per-address N connections from one address              [1024]\n"
    "  --requests-max N            requests in flight at one worker          [32768]\n"
    "\n"
    "  --help, --version\n"
    "\n"
    "Ends with 0 after SIGTERM or SIGINT; 64 wrong usage; 65 damaged files; 69 address taken;\n"
    "73 cannot create the directory; 74 the disk failed; 75 another server has the directory\n"
    "open; 77 no permission; 78 wrong configuration file.\n";

void florind_help_print(void)
{
    fputs(text, stdout);
}
